//! `dead-letters …`: events that a role could not apply.

use clap::Subcommand;
use proto::common::v1 as pb;

use super::Context;
use crate::client::{Client, PAGE, pages};
use crate::failure::Failure;
use crate::output;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters.
    List {
        /// Of one role alone: `catalog`.
        role: Option<String>,
    },
    /// Show a dead letter, with its event.
    Get {
        /// Its name, or ROLE/ID.
        dead_letter: String,
    },
    /// Give one back to its consumer, and with it what waits behind its key.
    Redrive {
        /// Its name, or ROLE/ID.
        dead_letter: String,
    },
    /// Drop one for good, without effect; its key goes on.
    Purge {
        /// Its name, or ROLE/ID.
        dead_letter: String,
    },
}

pub async fn run(context: &Context, command: DeadLettersCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    let mut operator = client.operator();
    let out = context.out;
    match command {
        DeadLettersCommand::List { role } => list(context, &client, role.as_deref().unwrap_or("-")).await,
        DeadLettersCommand::Get { dead_letter } => {
            let request = pb::GetDeadLetterRequest { name: name(&dead_letter) };
            let reply = operator.get_dead_letter(request).await?.into_inner();
            out.reply(&reply, |reply| reply.dead_letter.as_ref().map(describe).unwrap_or_default())
        }
        DeadLettersCommand::Redrive { dead_letter } => {
            let name = name(&dead_letter);
            let request = pb::RedriveDeadLetterRequest { name: name.clone() };
            let reply = operator.redrive_dead_letter(request).await?.into_inner();
            out.reply(&reply, |_| format!("{name} is given back to its consumer"))
        }
        DeadLettersCommand::Purge { dead_letter } => {
            let name = name(&dead_letter);
            let request = pb::PurgeDeadLetterRequest { name: name.clone() };
            let reply = operator.purge_dead_letter(request).await?.into_inner();
            out.reply(&reply, |_| format!("{name} is dropped"))
        }
    }
}

async fn list(context: &Context, client: &Client, role: &str) -> Result<(), Failure> {
    let parent = if role.starts_with("services/") { role.to_owned() } else { format!("services/{role}") };
    let page = async |page_token| {
        let request = pb::ListDeadLettersRequest { parent: parent.clone(), page_size: PAGE, page_token };
        client.operator().list_dead_letters(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.dead_letters.iter().map(|letter| {
            let subject = letter.event.as_ref().map(|event| event.subject.clone()).unwrap_or_default();
            let waiting = letter.waiting_events.to_string();
            vec![letter.name.clone(), subject, letter.reason.clone(), waiting, output::time(letter.create_time)]
        });
        output::table(&["name", "event", "reason", "behind it", "given up"], rows)
    })
}

fn name(given: &str) -> String {
    match given.split_once('/') {
        Some((role, id)) if !given.starts_with("services/") => format!("services/{role}/deadLetters/{id}"),
        _ => given.to_owned(),
    }
}

fn describe(letter: &pb::DeadLetter) -> String {
    let event = letter.event.clone().unwrap_or_default();
    output::fields(&[
        ("dead letter", letter.name.clone()),
        ("consumer", letter.consumer.clone()),
        ("reason", letter.reason.clone()),
        ("message", letter.message.clone()),
        ("attempts", letter.attempts.to_string()),
        ("given up", output::time(letter.create_time)),
        ("behind it", letter.waiting_events.to_string()),
        ("event", event.subject),
        ("resource", event.resource),
        ("sequence", event.sequence.to_string()),
        ("happened", output::time(event.time)),
        ("payload", letter.payload_text.clone()),
    ])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_short_name_is_made_whole() {
        assert_eq!(super::name("catalog/7"), "services/catalog/deadLetters/7");
        assert_eq!(super::name("services/catalog/deadLetters/7"), "services/catalog/deadLetters/7");
    }
}
