//! What the machine of a consumer asks for, done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use proto::common::v1::EventEnvelope;
use tracing::Instrument;

use super::apply::{self, Cause, Failure, Ready, key_of};
use super::machine::{Action, Input, Item, ROWS_AT_ONCE};
use super::{Consumer, failure};
use crate::inbox::{self, Applied, Key, Standing, Trouble, Verdict};
use crate::{BusError, Delivery, Error, Handler, HandlerError, event};

/// How many events are prepared at the same time.
const PREPARED_AT_ONCE: usize = 8;

/// The events of the list that the machine works on.
pub(super) struct UnderWay<H: Handler> {
    /// Each with the number of its key.
    events: Vec<(usize, Arc<Ready<H>>)>,
    keys: Arc<Vec<Key>>,
    /// Where they came from; none for rows.
    deliveries: Vec<Delivery>,
    /// Why an event failed, by its number.
    causes: HashMap<usize, Cause>,
    /// Why the last transaction was rolled back.
    cause: Option<Cause>,
}

impl<H: Handler> Default for UnderWay<H> {
    fn default() -> Self {
        Self { events: Vec::new(), keys: Arc::default(), deliveries: Vec::new(), causes: HashMap::new(), cause: None }
    }
}

impl<H: Handler> Consumer<H> {
    /// Does what the machine asks for. An error says that it may be done or not.
    pub(super) async fn perform(&mut self, action: Action) -> Result<Input, Error> {
        Ok(match action {
            Action::Due => {
                let events = self.due().await?;
                Input::Due(self.take_up(events, Vec::new()))
            }
            Action::Fetch { wait } => {
                let mut deliveries = self.fetch(if wait { self.wait } else { Duration::ZERO }).await?;
                let events = deliveries.iter_mut().map(|delivery| std::mem::take(&mut delivery.event)).collect();
                Input::Fetched(self.take_up(events, deliveries))
            }
            Action::Stand => Input::Stood(self.stand().await?),
            Action::Prepare(items) => Input::Prepared(self.prepare(&items).await),
            Action::Apply { items, from_rows } => Input::Applied(self.apply(&items, from_rows).await?),
            Action::Fail { item, from_row } => Input::Judged(self.fail(item, from_row).await?),
            Action::Postpone(item, delay) => {
                self.postpone(item, delay).await?;
                Input::Done
            }
            Action::Answer { done, again } => {
                self.answer(&done, &again).await?;
                Input::Done
            }
            // The driver ends here, and asks for nothing.
            Action::Rest => Input::Done,
        })
    }

    /// Numbers what was read, and its keys.
    fn take_up(&mut self, events: Vec<EventEnvelope>, deliveries: Vec<Delivery>) -> Vec<Item> {
        let mut numbers: HashMap<(&str, &str), usize> = HashMap::with_capacity(events.len());
        let mut keys = Vec::new();
        let mut items = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let key = *numbers.entry((event::thing(&event.subject), &event.key)).or_insert_with(|| {
                keys.push(key_of(event));
                keys.len() - 1
            });
            let deliveries = deliveries.get(index).map_or(1, |delivery| delivery.deliveries);
            items.push(Item { key, sequence: event.sequence, deliveries });
        }
        let ready = events.into_iter().map(|event| Arc::new(Ready::unprepared(event)));
        let events = items.iter().map(|item| item.key).zip(ready).collect();
        self.under_way = UnderWay { events, keys: keys.into(), deliveries, causes: HashMap::new(), cause: None };
        items
    }

    async fn due(&self) -> Result<Vec<EventEnvelope>, Error> {
        inbox::due_here(&self.db, self.spec.name, self.db.now(), ROWS_AT_ONCE).await
    }

    pub(super) async fn fetch(&mut self, wait: Duration) -> Result<Vec<Delivery>, BusError> {
        if self.subscription.is_none() {
            self.subscription = Some(self.bus.subscribe(&self.spec).await?);
        }
        let subscription = self.subscription.as_mut().expect("it was just made");
        let fetched = subscription.fetch(self.batch, wait).await;
        if fetched.is_err() {
            self.subscription = None;
        }
        fetched
    }

    async fn stand(&self) -> Result<Vec<Standing>, Error> {
        let standings = inbox::stand_once(&self.db, self.spec.name, self.under_way.keys.clone()).await?;
        Ok(self.under_way.events.iter().map(|(key, _)| standings[*key]).collect())
    }

    async fn prepare(&mut self, items: &[usize]) -> Vec<Option<Trouble>> {
        let (handler, consumer) = (self.handler.clone(), self.spec.name);
        let events: Vec<_> = items.iter().map(|&item| self.under_way.events[item].1.clone()).collect();
        let prepared = futures::stream::iter(events).map(|ready| prepare(handler.clone(), consumer, ready));
        let prepared: Vec<_> = prepared.buffered(PREPARED_AT_ONCE).collect().await;
        let keep = items.iter().zip(prepared).map(|(&item, prepared)| match prepared {
            Ok(ready) => {
                self.under_way.events[item].1 = Arc::new(ready);
                None
            }
            Err(error) => {
                let cause = failure::cause(error);
                let trouble = cause.trouble;
                self.under_way.causes.insert(item, cause);
                Some(trouble)
            }
        });
        keep.collect()
    }

    async fn apply(&mut self, items: &[usize], from_rows: bool) -> Result<Result<Vec<Applied>, Trouble>, Error> {
        let (consumer, handler, now) = (self.spec.name, self.handler.clone(), self.db.now());
        let events = items.iter().map(|&item| self.under_way.events[item].clone()).collect();
        let part = apply::Part { events, keys: self.under_way.keys.clone(), from_rows };
        let applied = self
            .db
            .write(move |conn| Box::pin(async move { apply::apply(conn, consumer, &*handler, &part, now).await }))
            .await;
        match applied {
            Ok(applied) => Ok(Ok(applied)),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Handler(error)) => {
                let cause = failure::cause(error);
                let trouble = cause.trouble;
                self.under_way.cause = Some(cause);
                Ok(Err(trouble))
            }
        }
    }

    async fn fail(&mut self, item: usize, from_row: bool) -> Result<Verdict, Error> {
        let last = self.under_way.cause.take();
        let cause = self.under_way.causes.remove(&item).or(last).expect("what failed has a cause");
        let (consumer, patience, now) = (self.spec.name, self.patience, self.db.now());
        let (ready, told) = (self.under_way.events[item].1.clone(), cause.clone());
        let verdict = self
            .db
            .write(move |conn| {
                Box::pin(async move { apply::fail(conn, consumer, &ready.event, from_row, cause, patience, now).await })
            })
            .await?;
        failure::tell(consumer, &self.under_way.events[item].1.event, &told, verdict);
        Ok(verdict)
    }

    async fn postpone(&self, item: usize, delay: Duration) -> Result<(), Error> {
        let (consumer, until) = (self.spec.name, self.db.now() + delay);
        let id = self.under_way.events[item].1.event.id.clone();
        self.db.write(move |conn| Box::pin(async move { inbox::postpone(conn, consumer, &id, until).await })).await
    }

    async fn answer(&mut self, done: &[usize], again: &[(usize, Duration)]) -> Result<(), Error> {
        let Some(subscription) = self.subscription.as_mut() else { return Ok(()) };
        let deliveries = &self.under_way.deliveries;
        for &(item, delay) in again {
            subscription.nak(&deliveries[item], delay).await?;
        }
        let done: Vec<_> = done.iter().map(|&item| deliveries[item].clone()).collect();
        subscription.ack(&done).await?;
        Ok(())
    }
}

async fn prepare<H: Handler>(
    handler: Arc<H>,
    consumer: &'static str,
    ready: Arc<Ready<H>>,
) -> Result<Ready<H>, HandlerError> {
    let span = apply::span(consumer, &ready.event);
    let prepared = handler.prepare(&ready.event).instrument(span.clone()).await?;
    Ok(Ready { event: ready.event.clone(), prepared: Some(prepared), span })
}
