//! What a relay does, without I/O: it is told what happened, and says what to do next.
//!
//! The simulation drives this very machine against a model of store and broker; [`Relay`](crate::Relay) drives it
//! against the real ones, and adds nothing but I/O.

use std::time::Duration;

use types::Timestamp;

use crate::StreamState;
use crate::relay::search::{Search, Sought};

/// How many publications one round makes at most.
const TURNS_PER_ROUND: usize = 64;
/// How often the stream is compared while the connection stands: somebody may delete it under the running mesh.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// How often sent rows are pruned.
pub(crate) const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Claim the lease, or renew it.
    Lead,
    /// Read what is remembered of the stream.
    Recall,
    /// Ask the stream for its identity, its end, and the event at a position.
    Look {
        /// The position; 0 where none is of interest.
        position: i64,
    },
    /// Read the row with the least stream position that is at least `from` and less than `before`, of those kept and of
    /// those remembered when they were pruned.
    Find {
        /// The least position.
        from: i64,
        /// The position after the greatest.
        before: i64,
    },
    /// Have consumers take again what follows this position.
    Rewind {
        /// The last position that the stream still holds as it was.
        after: i64,
    },
    /// Under the lease, in one transaction: let rows wait again that were sent after a position, remember `intact`
    /// alone, and tell what was pruned and is lost.
    Mend {
        /// As in `Rewind`.
        after: i64,
        /// What the stream is remembered by from now on.
        intact: Option<Remembered>,
    },
    /// Do what it holds, all at the same time.
    Turn(Turn),
    /// Drop rows that were sent long enough ago.
    Prune,
    /// The round is over.
    Rest,
}

/// One step of publishing. Its parts do not touch each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Publish the rows that were read last; then ask the stream for its identity, and for the event at the highest
    /// position.
    pub publish: bool,
    /// Under the lease, in one transaction: mark these rows sent.
    pub note: Option<Note>,
    /// Read the oldest rows that wait.
    pub read: Option<Read>,
}

/// Which of the rows that wait are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    /// Those after this row position.
    pub after: i64,
    /// Also those before rows that were sent; otherwise what follows the last of these. Rows commit in the order of
    /// their positions, so there are such rows only after a loss that was no plain tail, or where somebody else wrote.
    pub gaps: bool,
}

/// What was published, as it is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// Positions in the outbox, with those in the stream.
    pub sent: Vec<(i64, i64)>,
    /// What the stream is remembered by, unless it is remembered by something later.
    pub last: Remembered,
}

/// The event by which a stream is compared: the last one known to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The stream.
    pub identity: String,
    /// The event's position in it.
    pub last_position: i64,
    /// The event's id.
    pub last_id: String,
}

/// A row that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its position in the outbox.
    pub position: i64,
    /// The event's id.
    pub id: String,
}

/// A row that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its position in the stream.
    pub stream_position: i64,
    /// The event's id.
    pub id: String,
}

/// An outcome of claiming the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is held until then, under this fencing number.
    Held {
        /// Rises each time that the holder changes.
        fence: i64,
        /// When it ends.
        until: Timestamp,
    },
    /// Another relay holds it until then.
    Other {
        /// When it ends.
        until: Timestamp,
    },
}

/// The last sequence of a key that was pruned, and that the stream lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The thing.
    pub thing: String,
    /// The key.
    pub key: String,
    /// The last sequence that is lost.
    pub up_to: i64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A round begins, on this connection.
    Began {
        /// See [`EventBus::connection`](crate::EventBus::connection).
        connection: u64,
    },
    /// The answer to `Lead`.
    Led(Claim),
    /// The answer to `Recall`.
    Recalled(Option<Remembered>),
    /// The answer to `Look`.
    Saw(StreamState),
    /// The answer to `Find`.
    Found(Option<Sent>),
    /// `Rewind` is done.
    Rewound,
    /// The answer to `Mend`. None: the lease was lost, and nothing was done.
    Mended(Option<Mended>),
    /// The answer to `Turn`.
    Turned(Turned),
    /// `Prune` is done; whether more is to be pruned.
    Pruned {
        /// There is more.
        more: bool,
    },
    /// Something failed, or its outcome is not known. Some or all of it may have been done.
    Failed,
}

/// What `Mend` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mended {
    /// How many rows wait again.
    pub again: u64,
    /// What is lost for good.
    pub lost: Vec<Lost>,
}

/// What a turn did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Turned {
    /// What was published.
    pub published: Option<Published>,
    /// Whether the note was taken; not when the lease was lost.
    pub noted: Option<bool>,
    /// What was read.
    pub rows: Vec<Row>,
    /// Whether that is all that waits.
    pub drained: bool,
}

/// What was published, and the stream thereafter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    /// The position of each event.
    pub positions: Vec<i64>,
    /// The stream, with the id at the highest of them.
    pub seen: StreamState,
    /// The connection thereafter.
    pub connection: u64,
}

/// What a round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Rows published and noted.
    pub published: usize,
    /// Rows that wait again.
    pub again: u64,
    /// What is lost for good.
    pub lost: Vec<Lost>,
    /// Whether to begin the next round at once.
    pub more: bool,
    /// Whether another relay leads.
    pub stands_by: bool,
    /// Whether the stream changed while it was published to, so that what was published is not noted.
    pub unsure: bool,
}

/// The machine of one relay.
#[derive(Debug)]
pub(crate) struct Machine {
    /// So many rows are noted at once, or all that waited.
    batch: usize,
    lease_for: Duration,
    prune_every: Duration,
    compared: Option<Compared>,
    lease: Option<(i64, Timestamp)>,
    others_until: Option<Timestamp>,
    pruned: Option<Timestamp>,
    connection: u64,
    /// Whether the last publication came to positions that the stream had given before.
    regressed: bool,
    /// Whether rows before those that were sent were not looked for since the stream was compared.
    gaps: bool,
    phase: Phase,
    round: Round,
}

/// The stream as it was found to be whole.
#[derive(Debug)]
struct Compared {
    connection: u64,
    identity: String,
    at: Timestamp,
    /// The highest position known to be acknowledged: what is published now comes after it, or the stream lost it.
    highest: Option<i64>,
    /// The stream's end as it was last seen. What comes to stand before it may stand where consumers were already.
    end: i64,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// Claims the lease in order to compare.
    Entering,
    Recalling,
    Comparing(Option<Remembered>),
    /// Nothing is remembered: whether anything was sent.
    Doubting(StreamState),
    Searching(Search),
    /// Nothing is lost; has consumers take again what may be.
    Retaking {
        seen: StreamState,
        highest: Option<i64>,
    },
    /// Has consumers take again where events came to stand.
    Overlapping(Pipe),
    Rewinding(Sought),
    Mending(Sought),
    Publishing(Pipe),
    /// Claims the lease in order to publish.
    Leading(Pipe),
    Pruning,
}

/// What is under way between outbox and stream.
#[derive(Debug, Default)]
struct Pipe {
    rows: Vec<Row>,
    note: Option<Note>,
    noting: usize,
    reading: bool,
    turns: usize,
    /// Whether the last read found all that waits.
    drained: bool,
}

impl Pipe {
    /// Adds what was published to what is to be noted.
    fn gather(&mut self, note: Note) {
        match &mut self.note {
            Some(before) => {
                before.sent.extend(note.sent);
                before.last = note.last;
            }
            None => self.note = Some(note),
        }
    }
}

impl Machine {
    pub fn new(batch: usize, lease_for: Duration, prune_every: Duration) -> Self {
        Self {
            batch,
            lease_for,
            prune_every,
            compared: None,
            lease: None,
            others_until: None,
            pruned: None,
            connection: 0,
            regressed: false,
            gaps: true,
            phase: Phase::Idle,
            round: Round::default(),
        }
    }

    /// The fencing number of the lease that is held, or was last.
    pub fn fence(&self) -> Option<i64> {
        self.lease.map(|(fence, _)| fence)
    }

    /// What the round did so far.
    pub fn round(&self) -> &Round {
        &self.round
    }

    /// Takes what happened, and tells what to do next.
    pub fn next(&mut self, input: Input, now: Timestamp) -> Action {
        match (std::mem::take(&mut self.phase), input) {
            (phase, Input::Began { connection }) => self.begin(&phase, connection, now),
            (Phase::Entering, Input::Led(claim)) => match self.led(claim) {
                true => self.go(Phase::Recalling, Action::Recall),
                false => self.stand_by(),
            },
            (Phase::Leading(pipe), Input::Led(claim)) => self.led_to_publish(pipe, claim, now),
            (Phase::Recalling, Input::Recalled(remembered)) => {
                let position = remembered.as_ref().map_or(0, |remembered| remembered.last_position);
                self.go(Phase::Comparing(remembered), Action::Look { position })
            }
            (Phase::Comparing(remembered), Input::Saw(seen)) => self.compare(remembered, seen, now),
            (Phase::Doubting(seen), Input::Found(None)) => self.retake(seen, None),
            (Phase::Doubting(seen), Input::Found(Some(_))) => self.search(seen),
            (Phase::Searching(search), Input::Found(row)) => {
                let step = search.found(row);
                self.searched(step)
            }
            (Phase::Searching(search), Input::Saw(seen)) => {
                let step = search.saw(&seen);
                self.searched(step)
            }
            (Phase::Retaking { seen, highest }, Input::Rewound) => self.whole(seen, highest, now),
            (Phase::Overlapping(pipe), Input::Rewound) => self.turn(pipe, now),
            (Phase::Rewinding(sought), Input::Rewound) => self.mend(sought),
            (Phase::Mending(sought), Input::Mended(mended)) => self.mended(sought, mended, now),
            (Phase::Publishing(pipe), Input::Turned(turned)) => self.turned(pipe, turned, now),
            (Phase::Pruning, Input::Pruned { more }) => {
                self.pruned = (!more).then_some(now);
                self.round.more |= more;
                Action::Rest
            }
            (_, Input::Failed) => self.doubt(),
            (phase, input) => {
                debug_assert!(false, "{input:?} does not answer {phase:?}");
                self.doubt()
            }
        }
    }

    fn go(&mut self, phase: Phase, action: Action) -> Action {
        self.phase = phase;
        action
    }

    fn begin(&mut self, phase: &Phase, connection: u64, now: Timestamp) -> Action {
        self.round = Round::default();
        if !matches!(phase, Phase::Idle) {
            // The last round was dropped half-way.
            self.compared = None;
        }
        self.connection = connection;
        if self.others_until.is_some_and(|until| now < until) {
            return self.stand_by();
        }
        self.compared.take_if(|compared| compared.connection != connection);
        match self.compared.as_ref().is_some_and(|compared| now.since(compared.at) < COMPARE_EVERY) {
            true => self.turn(Pipe::default(), now),
            false => self.go(Phase::Entering, Action::Lead),
        }
    }

    fn led(&mut self, claim: Claim) -> bool {
        match claim {
            Claim::Held { fence, until } => {
                if self.fence() != Some(fence) {
                    // Another relay led in between: what it wrote down is what counts.
                    self.compared = None;
                }
                self.lease = Some((fence, until));
                self.others_until = None;
                true
            }
            Claim::Other { until } => {
                self.lease = None;
                self.compared = None;
                self.others_until = Some(until);
                false
            }
        }
    }

    fn stand_by(&mut self) -> Action {
        self.round.stands_by = true;
        Action::Rest
    }

    /// What follows is not known: the next round compares first.
    fn doubt(&mut self) -> Action {
        self.compared = None;
        self.round.more = true;
        Action::Rest
    }

    fn compare(&mut self, remembered: Option<Remembered>, seen: StreamState, now: Timestamp) -> Action {
        match remembered {
            None => self.go(Phase::Doubting(seen), Action::Find { from: 1, before: i64::MAX }),
            Some(remembered) if remembered.identity != seen.identity => {
                // It is another stream, so nothing of ours is in it.
                self.rewind(Sought { seen, after: 0, intact: None })
            }
            Some(remembered) if seen.id_at.as_deref() == Some(&remembered.last_id) => {
                let highest = Some(remembered.last_position);
                match self.compared {
                    Some(_) => self.whole(seen, highest, now),
                    None => self.retake(seen, highest),
                }
            }
            Some(_) => self.search(seen),
        }
    }

    /// What was published last may be stored without an acknowledgement, and lost again: a consumer that had it would
    /// pass over what comes in its place.
    fn retake(&mut self, seen: StreamState, highest: Option<i64>) -> Action {
        self.go(Phase::Retaking { seen, highest }, Action::Rewind { after: highest.unwrap_or(0) })
    }

    fn search(&mut self, seen: StreamState) -> Action {
        let step = Search::begin(seen);
        self.searched(step)
    }

    fn searched(&mut self, step: Result<(Search, Action), Sought>) -> Action {
        match step {
            Ok((search, action)) => self.go(Phase::Searching(search), action),
            Err(sought) => self.rewind(sought),
        }
    }

    fn rewind(&mut self, sought: Sought) -> Action {
        let after = sought.after;
        self.go(Phase::Rewinding(sought), Action::Rewind { after })
    }

    fn mend(&mut self, sought: Sought) -> Action {
        let intact = sought.intact.as_ref().map(|row| Remembered {
            identity: sought.seen.identity.clone(),
            last_position: row.stream_position,
            last_id: row.id.clone(),
        });
        let after = sought.after;
        self.go(Phase::Mending(sought), Action::Mend { after, intact })
    }

    fn mended(&mut self, sought: Sought, mended: Option<Mended>, now: Timestamp) -> Action {
        let Some(mended) = mended else {
            self.lease = None;
            return self.doubt();
        };
        self.round.again += mended.again;
        self.round.lost = mended.lost;
        self.whole(sought.seen, sought.intact.map(|row| row.stream_position), now)
    }

    fn whole(&mut self, seen: StreamState, highest: Option<i64>, now: Timestamp) -> Action {
        // Events that were stored before, without an acknowledgement, may keep lower positions; that is all right now.
        let highest = highest.filter(|_| !std::mem::take(&mut self.regressed));
        let end = i64::try_from(seen.last_position).unwrap_or(i64::MAX);
        self.gaps = true;
        self.compared = Some(Compared { connection: self.connection, identity: seen.identity, at: now, highest, end });
        self.turn(Pipe::default(), now)
    }

    /// Publishes what was read, notes what was published, and reads on.
    fn turn(&mut self, mut pipe: Pipe, now: Timestamp) -> Action {
        let publish = !pipe.rows.is_empty() && pipe.turns < TURNS_PER_ROUND;
        if publish && !self.leads_long(now) {
            return self.go(Phase::Leading(pipe), Action::Lead);
        }
        let after = pipe.rows.last().map_or(0, |row| row.position);
        let read = (pipe.turns == 0 || publish) && !pipe.drained;
        let read = read.then_some(Read { after, gaps: self.gaps });
        // Small publications are noted together: each note is a transaction, which the writers of events wait for.
        let due = !publish || pipe.note.as_ref().is_some_and(|note| note.sent.len() >= self.batch);
        let turn = Turn { publish, note: pipe.note.take_if(|_| due), read };
        if turn == Turn::default() {
            self.round.more |= !pipe.rows.is_empty();
            return self.end(now);
        }
        pipe.noting = turn.note.as_ref().map_or(0, |note| note.sent.len());
        pipe.reading = turn.read.is_some();
        self.go(Phase::Publishing(pipe), Action::Turn(turn))
    }

    fn leads_long(&self, now: Timestamp) -> bool {
        self.lease.is_some_and(|(_, until)| until.since(now) > self.lease_for / 2)
    }

    fn led_to_publish(&mut self, pipe: Pipe, claim: Claim, now: Timestamp) -> Action {
        if !self.led(claim) {
            return self.stand_by();
        }
        if self.compared.is_none() {
            return self.go(Phase::Recalling, Action::Recall);
        }
        self.turn(pipe, now)
    }

    fn turned(&mut self, mut pipe: Pipe, turned: Turned, now: Timestamp) -> Action {
        match turned.noted {
            Some(true) => self.round.published += std::mem::take(&mut pipe.noting),
            Some(false) => {
                self.lease = None;
                return self.doubt();
            }
            None => {}
        }
        let mut overlap = None;
        if let Some(published) = turned.published {
            let Some(note) = self.vouch(&pipe.rows, &published) else {
                self.round.unsure = true;
                return self.doubt();
            };
            overlap = self.overlap(&note);
            pipe.gather(note);
            pipe.rows = Vec::new();
        }
        pipe.turns += 1;
        if pipe.reading {
            pipe.drained = turned.drained;
            self.gaps &= !pipe.drained;
            pipe.rows = turned.rows;
        }
        match overlap {
            Some(after) => self.go(Phase::Overlapping(pipe), Action::Rewind { after }),
            None => self.turn(pipe, now),
        }
    }

    /// What is to be noted of a publication. None where the stream does not hold it as the one that was compared.
    fn vouch(&mut self, rows: &[Row], published: &Published) -> Option<Note> {
        let compared = self.compared.as_mut()?;
        let sent: Vec<_> = rows.iter().map(|row| row.position).zip(published.positions.iter().copied()).collect();
        let (last, last_position) = rows.iter().zip(published.positions.iter().copied()).max_by_key(|(_, at)| *at)?;
        let lowest = sent.iter().map(|(_, at)| *at).min()?;
        let holds = published.connection == compared.connection
            && published.seen.identity == compared.identity
            && published.seen.id_at.as_deref() == Some(&last.id)
            && sent.len() == rows.len();
        self.regressed = compared.highest.is_some_and(|highest| lowest <= highest);
        if !holds || self.regressed {
            return None;
        }
        compared.highest = Some(last_position);
        let identity = compared.identity.clone();
        Some(Note { sent, last: Remembered { identity, last_position, last_id: last.id.clone() } })
    }

    /// The position before what was published, when it does not follow the end that was seen: the stream had it before,
    /// or lost what stood there, which nobody had noted.
    fn overlap(&mut self, note: &Note) -> Option<i64> {
        let compared = self.compared.as_mut()?;
        let lowest = note.sent.iter().map(|(_, at)| *at).min()?;
        let before = compared.end;
        compared.end = before.max(note.last.last_position);
        (lowest <= before).then_some(lowest - 1)
    }

    fn end(&mut self, now: Timestamp) -> Action {
        let due = self.pruned.is_none_or(|last| now.since(last) >= self.prune_every);
        let leads = self.lease.is_some_and(|(_, until)| now < until);
        if due && leads && !self.round.more { self.go(Phase::Pruning, Action::Prune) } else { Action::Rest }
    }
}
