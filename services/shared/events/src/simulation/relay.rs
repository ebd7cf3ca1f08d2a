//! Drives the machine of a relay, one action or part of one at a time; it may die between any two.

use std::collections::VecDeque;
use std::time::Duration;

use types::Timestamp;

use super::broker::{Broker, Unknown};
use super::chance::Chance;
use super::outbox::Outbox;
use super::{Mutant, SimEvent};
use crate::StreamState;
use crate::relay::machine::{Action, Input, Machine, Published, Read, Remembered, Row, Turn, Turned};

const BATCH: usize = 4;
const LEASE: Duration = Duration::from_millis(400);
const PRUNE_EVERY: Duration = Duration::from_millis(150);

/// A part of a turn that is still to be done.
#[derive(Debug)]
enum Part {
    Publish,
    /// The look that follows a publication.
    Vouch(Vec<i64>),
    Note,
    Read(Read),
}

#[derive(Debug)]
struct Turning {
    turn: Turn,
    parts: VecDeque<Part>,
    turned: Turned,
    failed: bool,
}

#[derive(Debug)]
pub struct Relay {
    holder: u64,
    machine: Machine,
    action: Option<Action>,
    turning: Option<Turning>,
    /// What was read last; what is published.
    ahead: Vec<(Row, SimEvent)>,
    publishing: Vec<(Row, SimEvent)>,
    recalled: Option<Remembered>,
    /// Stopped, as by SIGSTOP, or resting.
    pub idle_until: Timestamp,
    mutant: Option<Mutant>,
}

impl Relay {
    pub fn new(holder: u64, mutant: Option<Mutant>) -> Self {
        Self {
            holder,
            machine: Machine::new(BATCH, LEASE, PRUNE_EVERY),
            action: None,
            turning: None,
            ahead: Vec::new(),
            publishing: Vec::new(),
            recalled: None,
            idle_until: Timestamp::from_micros(0),
            mutant,
        }
    }

    pub fn step(&mut self, outbox: &mut Outbox, broker: &mut Broker, now: Timestamp, chance: &mut Chance) {
        if now < self.idle_until {
            return;
        }
        if let Some(turning) = self.turning.take() {
            return self.turn_on(turning, outbox, broker, now, chance);
        }
        let Some(action) = self.action.take() else {
            let began = Input::Began { connection: broker.connection };
            self.action = Some(self.machine.next(began, now));
            return;
        };
        let input = match action {
            Action::Rest => {
                let pause = if self.machine.round().more { 1 } else { 30 };
                self.idle_until = now + Duration::from_millis(pause);
                return;
            }
            Action::Turn(turn) => return self.begin_turn(turn, chance),
            other => self.perform(other, outbox, broker, now).unwrap_or(Input::Failed),
        };
        self.action = Some(self.machine.next(input, now));
    }

    fn perform(
        &mut self,
        action: Action,
        outbox: &mut Outbox,
        broker: &mut Broker,
        now: Timestamp,
    ) -> Result<Input, Unknown> {
        Ok(match action {
            Action::Lead => Input::Led(outbox.claim(self.holder, now + LEASE, now)),
            Action::Recall => {
                self.recalled = outbox.remembered();
                Input::Recalled(self.recalled.clone())
            }
            Action::Look { position } => Input::Saw(self.seen(broker.look(position, now)?)),
            Action::Find { from, before } => Input::Found(outbox.find(from, before)),
            Action::Rewind { after } => {
                broker.rewind(after, now)?;
                Input::Rewound
            }
            Action::Mend { after, intact } => {
                Input::Mended(outbox.mend(self.holder, self.machine.fence(), after, intact))
            }
            Action::Prune => {
                outbox.prune(now);
                Input::Pruned { more: false }
            }
            Action::Turn(_) | Action::Rest => Input::Failed,
        })
    }

    /// What the machine is told of the stream; the truth, unless it is broken.
    fn seen(&self, seen: StreamState) -> StreamState {
        let Some(recalled) = &self.recalled else { return seen };
        let whole = StreamState {
            identity: recalled.identity.clone(),
            id_at: Some(recalled.last_id.clone()),
            last_position: seen.last_position,
        };
        match self.mutant {
            Some(Mutant::NoTailCheck) => whole,
            Some(Mutant::PositionsAlone)
                if seen.identity == recalled.identity
                    && seen.last_position >= recalled.last_position.unsigned_abs() =>
            {
                whole
            }
            _ => seen,
        }
    }

    fn begin_turn(&mut self, turn: Turn, chance: &mut Chance) {
        let mut parts = Vec::new();
        if turn.publish {
            self.publishing = std::mem::take(&mut self.ahead);
            parts.push(Part::Publish);
        }
        if turn.note.is_some() {
            parts.push(Part::Note);
        }
        parts.extend(turn.read.map(Part::Read));
        chance.shuffle(&mut parts);
        self.turning = Some(Turning { turn, parts: parts.into(), turned: Turned::default(), failed: false });
    }

    fn turn_on(
        &mut self,
        mut turning: Turning,
        outbox: &mut Outbox,
        broker: &mut Broker,
        now: Timestamp,
        chance: &mut Chance,
    ) {
        let Some(part) = turning.parts.pop_front() else {
            let input = if turning.failed { Input::Failed } else { Input::Turned(turning.turned) };
            self.action = Some(self.machine.next(input, now));
            return;
        };
        match part {
            Part::Publish => self.publish(&mut turning, broker, now, chance),
            Part::Vouch(positions) => self.vouch(&mut turning, positions, broker, now),
            Part::Note => {
                if let Some(note) = &turning.turn.note {
                    turning.turned.noted = Some(outbox.note(self.holder, self.machine.fence(), note, now));
                }
            }
            Part::Read(read) => {
                self.ahead = outbox.unsent(read, BATCH);
                turning.turned.rows = self.ahead.iter().map(|(row, _)| row.clone()).collect();
                turning.turned.drained = self.ahead.len() < BATCH;
            }
        }
        self.turning = Some(turning);
    }

    fn publish(&mut self, turning: &mut Turning, broker: &mut Broker, now: Timestamp, chance: &mut Chance) {
        let events: Vec<_> = self.publishing.iter().map(|(_, event)| event.clone()).collect();
        match broker.publish(&events, now, chance) {
            Ok(positions) => turning.parts.push_back(Part::Vouch(positions)),
            Err(Unknown) if self.mutant == Some(Mutant::UnknownIsSent) => {
                let last = self.recalled.as_ref().map_or(0, |recalled| recalled.last_position);
                let positions: Vec<_> = (last + 1..).take(events.len()).collect();
                let identity = broker.look(0, Timestamp::from_micros(i64::MAX)).map(|seen| seen.identity);
                turning.turned.published = Some(Published {
                    positions,
                    seen: StreamState {
                        identity: identity.unwrap_or_default(),
                        last_position: 0,
                        id_at: self.publishing.last().map(|(row, _)| row.id.clone()),
                    },
                    connection: broker.connection,
                });
            }
            Err(Unknown) => turning.failed = true,
        }
    }

    fn vouch(&mut self, turning: &mut Turning, positions: Vec<i64>, broker: &Broker, now: Timestamp) {
        let highest = positions.iter().copied().max().unwrap_or(0);
        let connection = broker.connection;
        match broker.look(highest, now) {
            Ok(seen) => {
                turning.turned.published = Some(Published { positions, seen, connection });
            }
            Err(Unknown) => turning.failed = true,
        }
    }
}
