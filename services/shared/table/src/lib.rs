//! Any supported file format in, Arrow record batches out, in bounded memory.
