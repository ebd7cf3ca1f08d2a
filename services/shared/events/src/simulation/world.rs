//! The world in which the machines run, and the audit of what they did.

use std::time::Duration;

use types::Timestamp;

use super::broker::Broker;
use super::chance::Chance;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::relay::Relay;
use super::worker::Worker;
use super::{KEYS, Mutant};
use crate::inbox::Trouble;

const TICKS: u64 = 900;

/// One run.
pub struct World {
    chance: Chance,
    now: Timestamp,
    outbox: Outbox,
    broker: Broker,
    inbox: Inbox,
    relays: Vec<Relay>,
    workers: Vec<Worker>,
    next_holder: u64,
    /// Whether a fault lost more than the outbox is sure to keep.
    rolled_back: bool,
    /// Whether the consumers sleep until calm comes, so that what is pruned may be missed.
    sleeps: bool,
    mutant: Option<Mutant>,
}

impl World {
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut chance = Chance::new(seed);
        // Most outboxes keep all; some prune what is still missed later.
        let retention = Duration::from_millis(if chance.percent(70) { 3_600_000 } else { 600 });
        let sleeps = retention < Duration::from_secs(60) && chance.percent(50);
        let (relays, workers) = (1 + chance.below(3), 1 + chance.below(3));
        Self {
            chance,
            now: Timestamp::from_micros(1_000_000_000),
            outbox: Outbox::new(retention, mutant),
            broker: Broker::new(mutant),
            inbox: Inbox::new(mutant),
            relays: (1..=relays).map(|holder| Relay::new(holder, mutant)).collect(),
            workers: (1..=workers).map(|_| Worker::new(mutant)).collect(),
            next_holder: 100,
            rolled_back: false,
            sleeps,
            mutant,
        }
    }

    /// Lets chaos reign, then calm come, and audits. Tells what does not hold.
    pub fn run(mut self) -> Result<(), String> {
        for _ in 0..TICKS {
            self.now = self.now + Duration::from_micros(200 + self.chance.below(6000));
            self.tick();
        }
        self.disorder()?;
        self.calm();
        self.settle("poison blocks its key alone", |world, key| {
            world.is_complete(key) || world.inbox.is_blocked_rightly(key) || world.is_lost(key)
        })?;
        self.inbox.mend_all();
        self.settle("everything is applied", |world, key| world.is_complete(key) || world.is_lost(key))?;
        self.audit()
    }

    fn tick(&mut self) {
        match self.chance.below(1000) {
            0..150 => self.outbox.work(&mut self.chance),
            150..500 => {
                let relay = self.chance.index(self.relays.len());
                self.relays[relay].step(&mut self.outbox, &mut self.broker, self.now, &mut self.chance);
            }
            500..900 if !self.sleeps => {
                let worker = self.chance.index(self.workers.len());
                self.workers[worker].step(&mut self.inbox, &mut self.broker, self.now, &mut self.chance);
            }
            900..930 => self.broker.sync(),
            930..940 => self.make_trouble(),
            940..955 => self.inbox.operate(self.mutant.is_none() && self.now.as_micros() % 3 == 0, &mut self.chance),
            955..965 => self.broker.copy(),
            965..970 => self.broker.forget_ids(),
            970.. => self.harm(),
            _ => {}
        }
    }

    fn make_trouble(&mut self) {
        let key = u8::try_from(self.chance.below(KEYS as u64)).expect("there are few keys");
        let soon = i64::try_from(1 + self.chance.below(4)).expect("it is small");
        let trouble = [Trouble::Poison, Trouble::Retry, Trouble::NotYet][self.chance.index(3)];
        self.inbox.trouble.insert((key, self.inbox.last(key) + soon), trouble);
    }

    fn harm(&mut self) {
        let long = Duration::from_millis(300 + self.chance.below(900));
        let (relay, worker) = (self.chance.index(self.relays.len()), self.chance.index(self.workers.len()));
        match self.chance.below(20) {
            0..6 => {
                self.next_holder += 1;
                self.relays[relay] = Relay::new(self.next_holder, self.mutant);
            }
            6..10 => self.workers[worker] = Worker::new(self.mutant),
            10..12 => self.relays[relay].idle_until = self.now + long,
            12 => self.workers[worker].idle_until = self.now + long,
            13 => self.broker.away_until = self.now + long,
            14 => self.broker.restart(&mut self.chance),
            15 | 16 => self.broker.cut_power(&mut self.chance),
            17 | 18 => self.rolled_back |= self.broker.roll_back(&mut self.chance),
            _ => {
                let restarts = self.chance.percent(60);
                self.broker.delete(restarts, &mut self.chance);
                self.rolled_back = true;
            }
        }
    }

    fn calm(&mut self) {
        self.outbox.commit_all();
        self.inbox.come();
        self.broker.kind = true;
        self.broker.away_until = self.now;
        for relay in &mut self.relays {
            relay.idle_until = self.now;
        }
        for worker in &mut self.workers {
            worker.idle_until = self.now;
        }
    }

    /// Lets everybody work until nothing moves and `done` holds of every key.
    fn settle(&mut self, what: &str, done: impl Fn(&Self, u8) -> bool) -> Result<(), String> {
        for round in 0..4000 {
            // Now and then a lot of time passes: leases end, the stream is compared, what was refused comes again.
            let pause = if round % 40 == 39 { 61_000 } else { 3 };
            self.now = self.now + Duration::from_millis(pause);
            for relay in &mut self.relays {
                relay.step(&mut self.outbox, &mut self.broker, self.now, &mut self.chance);
            }
            for worker in &mut self.workers {
                worker.step(&mut self.inbox, &mut self.broker, self.now, &mut self.chance);
            }
            if round % 8 == 7 && self.keys().all(|key| done(self, key)) && self.is_quiet() {
                return self.disorder();
            }
        }
        let missing: Vec<_> = self.keys().filter(|key| !done(self, *key)).map(|key| self.describe(key)).collect();
        let (unsent, waiting) = (self.outbox.waits(), self.broker.waiting().count());
        Err(format!("{what}: not so for {missing:?}; {unsent} unsent, {waiting} not acknowledged"))
    }

    fn keys(&self) -> impl Iterator<Item = u8> + use<> {
        0..u8::try_from(KEYS).expect("there are few keys")
    }

    fn describe(&self, key: u8) -> String {
        let (last, wanted) = (self.inbox.last(key), self.outbox.sequences[usize::from(key)]);
        let next = last + 1;
        let (outbox, broker) = (self.outbox.keeps(key, next), self.broker.holds(key, next));
        let waits = self.broker.waiting().any(|event| event.key == key && event.sequence == next);
        let here = self.inbox.holds(key, next);
        format!(
            "key {key}: applied {last} of {wanted}; the next in the outbox {outbox}, in the stream {broker}, \
             waiting there {waits}, here {here}, {:?}",
            self.inbox.standing(key)
        )
    }

    /// Nothing waits anywhere, save what waits for an event that is lost.
    fn is_quiet(&self) -> bool {
        self.outbox.waits() == 0 && self.broker.waiting().all(|event| self.is_lost(event.key))
    }

    fn is_complete(&self, key: u8) -> bool {
        self.inbox.last(key) == self.outbox.sequences[usize::from(key)]
    }

    /// The next event of the key is nowhere.
    fn is_lost(&self, key: u8) -> bool {
        let next = self.inbox.last(key) + 1;
        !self.is_complete(key)
            && !self.outbox.keeps(key, next)
            && !self.broker.holds(key, next)
            && !self.inbox.holds(key, next)
    }

    fn disorder(&self) -> Result<(), String> {
        match self.inbox.disorder() {
            Some((key, sequence)) => Err(format!("the effect of {key}/{sequence} is doubled or out of order")),
            None => Ok(()),
        }
    }

    fn audit(&self) -> Result<(), String> {
        for key in self.keys().filter(|key| self.is_lost(*key)) {
            let next = self.inbox.last(key) + 1;
            let told = |lost: &&crate::relay::machine::Lost| lost.key == key.to_string() && lost.up_to >= next;
            if !self.outbox.alarms.iter().any(|lost| told(&lost)) {
                return Err(format!("{key}/{next} is lost, and no alarm names it"));
            }
        }
        if !self.rolled_back && !self.outbox.alarms.is_empty() {
            return Err(format!("an alarm without a loss: {:?}", self.outbox.alarms));
        }
        let left = self.inbox.left_over(|key| !self.is_lost(key));
        if left > 0 {
            return Err(format!("{left} letters and parked events are left over"));
        }
        let lost = self.keys().any(|key| self.is_lost(key));
        if !lost && self.inbox.tries_left_over() > 0 {
            return Err(format!("{} counts of tries are left over", self.inbox.tries_left_over()));
        }
        Ok(())
    }
}
