//! Drives the machine of a consumer, one action at a time; it may die between any two.

use std::collections::BTreeMap;
use std::time::Duration;

use types::Timestamp;

use super::broker::{Broker, Unknown};
use super::chance::Chance;
use super::inbox::Inbox;
use super::{Mutant, SimEvent};
use crate::consumer::machine::{Action, Input, Item, Round};
use crate::inbox::Trouble;

const BATCH: usize = 6;

#[derive(Debug, Default)]
struct UnderWay {
    round: Round,
    action: Option<Action>,
    events: Vec<SimEvent>,
    positions: Vec<i64>,
    prepared: Vec<bool>,
    troubles: BTreeMap<usize, Trouble>,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
pub struct Worker {
    under_way: Option<UnderWay>,
    /// Stopped, as by SIGSTOP, or resting.
    pub idle_until: Timestamp,
    mutant: Option<Mutant>,
}

impl Worker {
    pub fn new(mutant: Option<Mutant>) -> Self {
        Self { under_way: None, idle_until: Timestamp::from_micros(0), mutant }
    }

    pub fn step(&mut self, inbox: &mut Inbox, broker: &mut Broker, now: Timestamp, chance: &mut Chance) {
        if now < self.idle_until {
            return;
        }
        let mut way = self.under_way.take().unwrap_or_default();
        let action = match way.action.take() {
            Some(action) => action,
            None => way.round.next(Input::Began),
        };
        if action == Action::Rest {
            let pause = if way.round.progress().more { 1 } else { 10 };
            self.idle_until = now + Duration::from_millis(pause);
            return;
        }
        // A round that fails is dropped, as by a crash.
        if let Ok(input) = self.perform(&mut way, action, inbox, broker, now, chance) {
            way.action = Some(way.round.next(input));
            self.under_way = Some(way);
        }
    }

    fn perform(
        &self,
        way: &mut UnderWay,
        action: Action,
        inbox: &mut Inbox,
        broker: &mut Broker,
        now: Timestamp,
        chance: &mut Chance,
    ) -> Result<Input, Unknown> {
        Ok(match action {
            Action::Due => Input::Due(way.take_up(inbox.due(now, 3).into_iter().map(|event| (0, event, 1)).collect())),
            Action::Fetch { .. } => {
                let got = broker.fetch(BATCH, now, chance)?;
                if self.mutant == Some(Mutant::AckBeforeCommit) {
                    for (position, ..) in &got {
                        broker.ack(*position, now, chance)?;
                    }
                }
                Input::Fetched(way.take_up(got))
            }
            Action::Stand => Input::Stood(way.events.iter().map(|event| inbox.seen(event)).collect()),
            Action::Prepare(items) => Input::Prepared(way.prepare(&items, inbox, chance)),
            Action::Apply { items, from_rows } => {
                let events: Vec<_> = items.iter().map(|&item| (way.events[item].clone(), way.prepared[item])).collect();
                let applied = inbox.apply(&events, from_rows, now);
                way.trouble = applied.as_ref().err().copied();
                Input::Applied(applied)
            }
            Action::Fail { item, from_row } => {
                let trouble = way.troubles.remove(&item).or(way.trouble.take()).unwrap_or(Trouble::Retry);
                Input::Judged(inbox.fail(&way.events[item], from_row, trouble, now))
            }
            Action::Postpone(item, delay) => {
                inbox.postpone(&way.events[item], now + delay);
                Input::Done
            }
            Action::Answer { done, again } => {
                for (item, delay) in again {
                    broker.nak(way.positions[item], now + delay, now)?;
                }
                for item in done {
                    broker.ack(way.positions[item], now, chance)?;
                }
                Input::Done
            }
            Action::Rest => Input::Done,
        })
    }
}

impl UnderWay {
    fn take_up(&mut self, got: Vec<(i64, SimEvent, u32)>) -> Vec<Item> {
        self.positions = got.iter().map(|(position, ..)| *position).collect();
        let items = got
            .iter()
            .map(|(_, event, deliveries)| Item {
                key: usize::from(event.key),
                sequence: event.sequence,
                deliveries: *deliveries,
            })
            .collect();
        self.events = got.into_iter().map(|(_, event, _)| event).collect();
        self.prepared = vec![false; self.events.len()];
        self.troubles.clear();
        items
    }

    fn prepare(&mut self, items: &[usize], inbox: &Inbox, chance: &mut Chance) -> Vec<Option<Trouble>> {
        let mut troubles = Vec::with_capacity(items.len());
        for &item in items {
            let trouble = inbox.prepare(&self.events[item], chance);
            self.prepared[item] = trouble.is_none();
            if let Some(trouble) = trouble {
                self.troubles.insert(item, trouble);
            }
            troubles.push(trouble);
        }
        troubles
    }
}
