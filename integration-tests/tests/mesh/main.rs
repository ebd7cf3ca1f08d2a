//! One test per promise of `docs/promises.md`, against a real `millrace up`.
//!
//! A promise without a test here, or a test here without a promise, fails `contract`.
#![allow(clippy::disallowed_methods)]

mod arrows;
mod back_ends;
mod backup;
mod calls;
mod contract;
mod dead_letters;
mod downloads;
mod faults;
mod first_path;
mod garbage;
mod index;
mod kills;
mod limits;
mod paging;
mod profiles;
mod records;
mod refusals;
mod retraction;
mod seeing;
mod sources;
mod starts;
mod tables;
mod tenants;
mod traces;
mod watches;
