//! Limits of rate and concurrency, per tenant, per principal, and per address for calls without a good credential.
//!
//! Limits are those of the mesh: with several gateways, each enforces its share (`fleet`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use types::{Clock, Identity, Timestamp};

use crate::Error;
use crate::bucket::Bucket;
use crate::config::{self, Limit};
use crate::fleet::Share;

/// Above so many entries, those that are as good as new are forgotten.
const SWEEP_ABOVE: usize = 10_000;
/// When to come back once too many calls are under way: nobody knows, so soon.
const BUSY: Duration = Duration::from_millis(500);

/// What a call weighs: streams last, so they are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Unary,
    Stream,
}

/// All limits of this gateway.
pub struct Limiter {
    tenants: Arc<Scope>,
    principals: Arc<Scope>,
    addresses: Arc<Scope>,
    clock: Arc<dyn Clock>,
}

/// A call under way. It counts until this is dropped.
#[derive(Default)]
pub struct Admission(Vec<Place>);

struct Place {
    scope: Arc<Scope>,
    key: String,
    weight: Weight,
}

impl Limiter {
    pub fn new(limits: &config::Limits, share: &Share, clock: Arc<dyn Clock>) -> Self {
        let scope = |names, limit: &Limit| {
            Arc::new(Scope { names, limit: limit.clone(), share: share.clone(), entries: Mutex::default() })
        };
        Self {
            tenants: scope(&TENANT, &limits.tenant),
            principals: scope(&PRINCIPAL, &limits.principal),
            addresses: scope(&ADDRESS, &limits.address),
            clock,
        }
    }

    /// Lets a call of somebody who is signed in begin, or tells which limit is hit. A call that the principal's limits
    /// refuse costs the tenant nothing, so that one user alone does not use up what all share.
    pub fn enter(&self, caller: &Identity, weight: Weight) -> Result<Admission, Error> {
        let now = self.clock.now();
        let tenant = caller.tenant.as_ref().map(ToString::to_string).unwrap_or_default();
        let principal = format!("{tenant}/{}", caller.subject);
        let mut admission = Admission::default();
        admission.0.push(self.principals.enter(principal, weight, now)?);
        admission.0.push(self.tenants.enter(tenant, weight, now)?);
        Ok(admission)
    }

    /// Counts a call without a good credential for its address; fails when there were too many, so that whoever guesses
    /// is slowed down and told nothing more.
    pub fn count_address(&self, address: &str) -> Result<(), Error> {
        self.addresses.count(address.to_owned(), self.clock.now())
    }

    /// Lets a call that needs no credential begin, or tells which limit is hit.
    pub fn enter_address(&self, address: &str, weight: Weight) -> Result<Admission, Error> {
        Ok(Admission(vec![self.addresses.enter(address.to_owned(), weight, self.clock.now())?]))
    }
}

/// The names of the settings of one scope.
struct Names {
    rate: &'static str,
    calls: &'static str,
    streams: &'static str,
}

macro_rules! names {
    ($scope:literal) => {
        Names {
            rate: concat!("gateway.limits.", $scope, ".calls_per_second"),
            calls: concat!("gateway.limits.", $scope, ".concurrent_calls"),
            streams: concat!("gateway.limits.", $scope, ".concurrent_streams"),
        }
    };
}

static TENANT: Names = names!("tenant");
static PRINCIPAL: Names = names!("principal");
static ADDRESS: Names = names!("address");

struct Scope {
    names: &'static Names,
    limit: Limit,
    share: Share,
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    bucket: Bucket,
    calls: u32,
    streams: u32,
}

impl Scope {
    fn enter(self: &Arc<Self>, key: String, weight: Weight, now: Timestamp) -> Result<Place, Error> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = self.entry(&mut entries, key.clone(), now);
        let Limit { concurrent_calls, concurrent_streams, .. } = self.limit;
        let (under_way, most, name) = match weight {
            Weight::Unary => (&mut entry.calls, concurrent_calls, self.names.calls),
            Weight::Stream => (&mut entry.streams, concurrent_streams, self.names.streams),
        };
        if *under_way >= self.share.of(most) {
            return Err(self.hit(name, most.to_string(), BUSY));
        }
        self.take(&mut entry.bucket, now)?;
        *under_way += 1;
        Ok(Place { scope: self.clone(), key, weight })
    }

    /// Counts a call that ends at once.
    fn count(&self, key: String, now: Timestamp) -> Result<(), Error> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        self.take(&mut self.entry(&mut entries, key, now).bucket, now)
    }

    fn entry<'a>(&self, entries: &'a mut HashMap<String, Entry>, key: String, now: Timestamp) -> &'a mut Entry {
        if entries.len() > SWEEP_ABOVE {
            entries.retain(|_, entry| entry.calls + entry.streams > 0 || !entry.bucket.is_full(now));
        }
        let (burst, rate) =
            (self.share.of(self.limit.burst), self.share.of_rate(f64::from(self.limit.calls_per_second)));
        let new = || Entry { bucket: Bucket::new(burst, rate, now), calls: 0, streams: 0 };
        let entry = entries.entry(key).or_insert_with(new);
        entry.bucket.resize(burst, rate, now);
        entry
    }

    fn take(&self, bucket: &mut Bucket, now: Timestamp) -> Result<(), Error> {
        let value = || format!("{}/s", self.limit.calls_per_second);
        bucket.take(now).map_err(|retry_after| self.hit(self.names.rate, value(), retry_after))
    }

    fn hit(&self, name: &'static str, value: String, retry_after: Duration) -> Error {
        Error::Limit { name, value, gateways: self.share.gateways(), retry_after }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.scope.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&self.key) {
            match self.weight {
                Weight::Unary => entry.calls -= 1,
                Weight::Stream => entry.streams -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::ManualClock;
    use types::{Fault as _, Subject};

    use super::*;

    fn limit(calls_per_second: u32, burst: u32, concurrent_calls: u32) -> Limit {
        Limit { calls_per_second, burst, concurrent_calls, concurrent_streams: 1 }
    }

    fn caller(tenant: &str, user: &str) -> Identity {
        Identity {
            subject: Subject::User(user.parse().unwrap()),
            tenant: Some(tenant.parse().unwrap()),
            roles: Vec::new(),
            credential_expires: None,
        }
    }

    fn limiter(tenant: Limit, principal: Limit) -> (Limiter, ManualClock) {
        let clock = ManualClock::default();
        let limits = config::Limits { tenant, principal, address: limit(1, 1, 1) };
        (Limiter::new(&limits, &Share::whole(), clock.shared()), clock)
    }

    fn hit(result: Result<Admission, Error>) -> String {
        result.err().and_then(|error| error.limit()).map(|limit| format!("{}={}", limit.name, limit.value)).unwrap()
    }

    #[test]
    fn a_rate_is_enforced_per_principal_and_comes_back() {
        let (limiter, clock) = limiter(limit(100, 100, 100), limit(2, 2, 100));
        let ada = caller("main", "ada");
        for _ in 0..2 {
            limiter.enter(&ada, Weight::Unary).map(drop).unwrap();
        }
        assert_eq!(hit(limiter.enter(&ada, Weight::Unary)), "gateway.limits.principal.calls_per_second=2/s");
        limiter.enter(&caller("main", "bob"), Weight::Unary).map(drop).unwrap();
        clock.advance(Duration::from_millis(500));
        limiter.enter(&ada, Weight::Unary).map(drop).unwrap();
    }

    #[test]
    fn each_of_several_gateways_enforces_its_share_and_names_the_whole() {
        let clock = ManualClock::default();
        let limits = config::Limits { tenant: limit(9, 9, 4), principal: limit(99, 99, 99), address: limit(1, 1, 1) };
        let fleet = [Share::among(2), Share::among(2)];
        let gateways = fleet.each_ref().map(|share| Limiter::new(&limits, share, clock.shared()));
        let ada = caller("main", "ada");
        for gateway in &gateways {
            for _ in 0..4 {
                gateway.enter(&ada, Weight::Unary).map(drop).unwrap();
            }
            let error = gateway.enter(&ada, Weight::Unary).err().unwrap();
            assert_eq!(error.limit().unwrap().value, "9/s");
            assert_eq!(error.metadata(), [("gateways", "2".to_owned())]);
            assert!(error.to_string().contains("one share of 2"), "{error}");
        }
        // Calls under way are shared as well; and what one gateway leaves, the other gets.
        clock.advance(Duration::from_secs(1));
        let [held, _other] = [(); 2].map(|()| gateways[0].enter(&ada, Weight::Unary).unwrap());
        assert_eq!(hit(gateways[0].enter(&ada, Weight::Unary)), "gateway.limits.tenant.concurrent_calls=4");
        fleet[0].set(1);
        gateways[0].enter(&ada, Weight::Unary).map(drop).unwrap();
        drop(held);
    }

    #[test]
    fn a_tenant_shares_its_rate_and_another_tenant_has_its_own() {
        let (limiter, _clock) = limiter(limit(2, 2, 100), limit(100, 100, 100));
        limiter.enter(&caller("main", "ada"), Weight::Unary).map(drop).unwrap();
        limiter.enter(&caller("main", "bob"), Weight::Unary).map(drop).unwrap();
        let refused = limiter.enter(&caller("main", "eve"), Weight::Unary);
        assert_eq!(hit(refused), "gateway.limits.tenant.calls_per_second=2/s");
        limiter.enter(&caller("other", "ada"), Weight::Unary).map(drop).unwrap();
    }

    #[test]
    fn calls_under_way_are_counted_until_they_end_and_streams_apart() {
        let (limiter, _clock) = limiter(limit(100, 100, 100), limit(100, 100, 1));
        let ada = caller("main", "ada");
        let call = limiter.enter(&ada, Weight::Unary).unwrap();
        assert_eq!(hit(limiter.enter(&ada, Weight::Unary)), "gateway.limits.principal.concurrent_calls=1");
        let _stream = limiter.enter(&ada, Weight::Stream).unwrap();
        assert_eq!(hit(limiter.enter(&ada, Weight::Stream)), "gateway.limits.principal.concurrent_streams=1");
        drop(call);
        limiter.enter(&ada, Weight::Unary).map(drop).unwrap();
    }
}
