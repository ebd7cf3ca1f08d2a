//! Objects by key, behind one trait: a folder.
