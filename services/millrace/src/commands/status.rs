//! `status`: the state of the mesh.

use proto::common::v1 as pb;

use super::Context;
use crate::failure::Failure;
use crate::output;

pub async fn run(context: &Context, role: Option<String>) -> Result<(), Failure> {
    let client = context.client().await?;
    let name = role.map(|role| if role.contains('/') { role } else { format!("services/{role}") }).unwrap_or_default();
    let reply = client.operator().get_status(pb::GetStatusRequest { name }).await?.into_inner();
    context.out.reply(&reply, |reply| reply.roles.iter().map(describe).collect::<Vec<_>>().join("\n\n"))
}

fn describe(role: &pb::RoleStatus) -> String {
    let state = if role.ready { "ready".to_owned() } else { format!("not ready: {}", role.message) };
    let mut text = format!("{} {}: {state}", role.role, role.version);
    if !role.loops.is_empty() {
        let rows = role.loops.iter().map(|one| {
            let result = match one.consecutive_failures {
                0 => one.last_report.clone(),
                failures => format!("failed {failures} times: {}", one.last_error),
            };
            vec![one.name.clone(), output::time(one.last_run_time), output::duration(one.last_duration), result]
        });
        text += &format!("\n{}", output::table(&["loop", "last round", "took", "result"], rows));
    }
    if !role.queues.is_empty() {
        let rows = role.queues.iter().map(|queue| {
            let count = |count: i64| count.to_string();
            let age = output::duration(queue.oldest_age);
            vec![queue.name.clone(), count(queue.waiting), count(queue.running), count(queue.dead), age]
        });
        text += &format!("\n\n{}", output::table(&["queue", "waiting", "running", "dead", "oldest"], rows));
    }
    text
}
