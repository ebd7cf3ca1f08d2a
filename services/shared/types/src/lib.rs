//! Domain types that several services share: ids, resource names, digests, sizes, times, identities, errors.
//!
//! Nothing here does I/O or waits. A value of one of these types has been checked where it was made, so the code that
//! takes it does not check again. Conversions to and from the shared messages of `proto` live here too.

mod convert;
mod digest;
mod error;
mod geo;
mod id;
mod identity;
mod name;
mod operate;
mod quantity;
mod secret;
mod time;
mod work;

pub use convert::Malformed;
pub use digest::{Digest, DigestError, DigestHasher};
pub use error::{BoxError, ErrorKind, Fault, FieldViolation, LimitHit};
pub use geo::BoundingBox;
pub use id::{CrawlId, DatasetId, IdError, JobId, KeyId, ProfileId, RebuildId, SourceId, TenantId, UserId};
pub use identity::{Caller, Forbidden, Identity, Permitted, Role, Scoped, Subject};
pub use name::{
    ApiKeyName, CrawlName, DatasetName, JobName, NameError, ProfileName, RebuildName, SourceName, TenantName, UserName,
    VersionName,
};
pub use operate::{BoxFuture, DeadLetter, DeadLetters, Loop, LoopState, Loops, OperateError, Queue, Queues};
pub use quantity::{ByteSize, QuantityError, Revision, Span};
pub use secret::Secret;
pub use time::{Clock, TimeRange, Timestamp};
pub use work::{Materialization, Origin, Priority, WorkError, WorkPhase, WorkStatus};
