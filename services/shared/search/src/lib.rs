//! The search index behind one trait: Tantivy.
