//! Server and client layers, transports, deadlines, identity and status mapping.
