//! What the machine of a relay asks for, done.

use types::Timestamp;

use super::machine::{Action, Claim, Input, Mended, Note, Published, Read, Remembered, Row, Turn, Turned};
use super::state::{self, Claimant};
use super::{AT_ONCE, LEASE, Relay, StreamState, named};
use crate::outbox::sent::{self, Unsent, Waiting};
use crate::{Error, trace};

/// How many rows are pruned in one transaction.
const PRUNE_AT_ONCE: i64 = 20_000;

impl Relay {
    /// Does what the machine asks for. An error says that it may be done or not.
    pub(super) async fn perform(&mut self, action: Action) -> Result<Input, Error> {
        Ok(match action {
            Action::Lead => Input::Led(self.lead().await?),
            Action::Recall => {
                let service = self.service;
                Input::Recalled(self.db.read(move |conn| Box::pin(state::remembered(conn, service))).await?)
            }
            Action::Look { position } => Input::Saw(self.look(position).await?),
            Action::Find { from, before } => {
                Input::Found(self.db.read(move |conn| Box::pin(sent::find(conn, from, before))).await?)
            }
            Action::Rewind { after } => {
                self.bus.rewind(self.service, after.unsigned_abs()).await?;
                Input::Rewound
            }
            Action::Mend { after, intact } => Input::Mended(self.mend(after, intact).await?),
            Action::Turn(turn) => Input::Turned(self.turn(turn).await?),
            Action::Prune => Input::Pruned { more: self.prune().await? },
            // The driver ends here, and asks for nothing.
            Action::Rest => Input::Failed,
        })
    }

    fn claimant(&self) -> Claimant {
        Claimant {
            service: self.service,
            holder: self.holder.clone(),
            fence: self.machine.fence().unwrap_or(0),
            until: self.db.now() + LEASE,
        }
    }

    async fn lead(&self) -> Result<Claim, Error> {
        let claimant = self.claimant();
        let alone = !self.shared && self.machine.fence().is_none();
        let free_at = if alone { Timestamp::from_micros(i64::MAX) } else { self.db.now() };
        self.db.write(move |conn| Box::pin(async move { state::claim(conn, &claimant, free_at).await })).await
    }

    async fn look(&self, position: i64) -> Result<StreamState, Error> {
        Ok(self.bus.stream_state(self.service, position.unsigned_abs()).await?)
    }

    async fn mend(&self, after: i64, intact: Option<Remembered>) -> Result<Option<Mended>, Error> {
        let (service, claimant, now) = (self.service, self.claimant(), self.db.now());
        let mended = self
            .db
            .write(move |conn| {
                Box::pin(async move {
                    if !state::holds(conn, &claimant).await? {
                        return Ok::<_, Error>(None);
                    }
                    let again = sent::take_back(conn, after).await?;
                    let (lost, keys) = state::take_lost(conn, after).await?;
                    state::remember_anew(conn, service, intact.as_ref(), now).await?;
                    Ok(Some((Mended { again, lost }, keys)))
                })
            })
            .await?;
        let Some((mended, keys)) = mended else { return Ok(None) };
        self.tell_of_loss(&mended, keys);
        Ok(Some(mended))
    }

    fn tell_of_loss(&self, mended: &Mended, keys: u64) {
        let service = self.service;
        let again = mended.again;
        metrics::counter!("events_sent_again_total", "service" => service).increment(again);
        tracing::warn!(service, again, "the event stream lost its tail; events are sent again");
        if keys > 0 {
            metrics::counter!("events_lost_alarms_total", "service" => service).increment(1);
            tracing::error!(
                service,
                keys,
                lost = named(&mended.lost),
                "the event stream lost events that the outbox no longer holds: consumers that had not applied them wait for them; \
                 restore the stream from a copy, or raise the setting `outbox_retention` for next time"
            );
        }
    }

    /// The parts wait for different servers, so they are done at the same time. A publication that fails does not keep
    /// what was published before from being noted.
    async fn turn(&mut self, turn: Turn) -> Result<Turned, Error> {
        let batch = if turn.publish { std::mem::take(&mut self.ahead) } else { Vec::new() };
        let (published, noted, read) = futures::join!(self.publish(batch), self.note(turn.note), self.read(turn.read));
        let noted = noted?;
        let published = published?;
        let waiting = read?;
        self.ahead = waiting.rows;
        let rows = self.ahead.iter().map(|row| Row { position: row.position, id: row.envelope.id.clone() }).collect();
        Ok(Turned { published, noted, rows, drained: waiting.all })
    }

    async fn publish(&self, batch: Vec<Unsent>) -> Result<Option<Published>, Error> {
        if batch.is_empty() {
            return Ok(None);
        }
        let envelopes: Vec<_> = batch.into_iter().map(|row| row.envelope).collect();
        let spans: Vec<_> = envelopes.iter().map(|event| trace::publishing(self.service, event)).collect();
        let published = self.bus.publish(&envelopes).await;
        if published.is_err() {
            for span in &spans {
                span.record("otel.status_code", "ERROR");
            }
        }
        drop(spans);
        let positions = published?;
        let positions: Vec<_> =
            positions.into_iter().map(|position| i64::try_from(position).unwrap_or(i64::MAX)).collect();
        let seen = self.look(positions.iter().copied().max().unwrap_or(0)).await?;
        Ok(Some(Published { positions, seen, connection: self.bus.connection() }))
    }

    async fn note(&self, note: Option<Note>) -> Result<Option<bool>, Error> {
        let Some(note) = note else { return Ok(None) };
        let (service, claimant, now, count) = (self.service, self.claimant(), self.db.now(), note.sent.len());
        let noted = self
            .db
            .write(move |conn| {
                Box::pin(async move {
                    let holds = state::holds(conn, &claimant).await?;
                    if holds {
                        state::note(conn, service, &note, now).await?;
                    }
                    Ok::<_, Error>(holds)
                })
            })
            .await?;
        if noted {
            metrics::counter!("events_published_total", "service" => service).increment(count as u64);
        }
        Ok(Some(noted))
    }

    async fn read(&self, read: Option<Read>) -> Result<Waiting, Error> {
        match read {
            Some(read) => self.db.read(move |conn| Box::pin(sent::unsent(conn, read, AT_ONCE))).await,
            None => Ok(Waiting::default()),
        }
    }

    /// Tells whether there is more to prune.
    async fn prune(&self) -> Result<bool, Error> {
        let horizon = self.db.now() - self.retention.max(self.bus.least_outbox_retention().await?);
        let old = self.db.read(move |conn| Box::pin(sent::has_sent_before(conn, horizon))).await?;
        if !old {
            return Ok(false);
        }
        self.db.write(move |conn| Box::pin(sent::prune(conn, horizon, PRUNE_AT_ONCE))).await
    }
}
