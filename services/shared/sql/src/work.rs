//! Long work as rows: who may work on what, for how long, and how often it is tried.
//!
//! A row is *queued* until a worker claims it. A claim is a lease: it lasts a while on the store's clock, and is
//! renewed as the work goes on. Each claim raises the row's fencing number, and all that a worker later says of the
//! row carries that number, so that one whose lease was taken over changes nothing. An attempt that failed and may
//! be repeated leaves the row *waiting*, longer each time; the last one leaves it *failed*. An attempt whose worker was
//! killed is *lost*, and does not count, unless very many are lost in a row. What a stop in order interrupts is given back.
//!
//! Tenants share the workers: whoever has the fewest rows running is served next, so that one with much work holds up
//! nobody. Priority and age order the rows of one tenant.
//!
//! Services keep the request in `input`, and what only they understand (a checkpoint, sub-states) in `detail`.

mod backlog;
mod claim;
mod dropped;
mod lost;
pub(crate) mod queue;
mod row;
mod store;

pub use backlog::Backlog;
pub use claim::{Claim, Outcome, Renewed};
pub(crate) use dropped::{Dropped, give_back};
pub use lost::{LOST_IN_A_ROW, SettledHook};
pub use queue::{Backoff, Queue};
pub use row::{Filter, NewWork, WorkRow};
pub use store::{cancel, changed_after, delete, get, ids, insert, list, raise, retry};
