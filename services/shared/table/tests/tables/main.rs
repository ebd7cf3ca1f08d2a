//! Files of every kind are read as what they are, and bounded.

mod blocks;
mod containers;
mod dirty;
mod files;
mod formats;
mod hostile;
mod orc;
mod shapefiles;
mod stata;
mod typed_formats;
mod unread;
