//! What the kernel tells of processes: the time they computed, the memory they hold.

use std::collections::BTreeMap;
use std::time::Duration;

/// Ticks of the kernel's accounts in a second; 100 on every Linux of today.
const TICKS: u64 = 100;

/// What a process holds of the machine's memory, in bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    /// All of it, pages of mapped files included.
    pub resident: u64,
    /// What no file stands behind.
    pub anonymous: u64,
    /// The most that ever was resident.
    pub peak: u64,
}

/// The memory of a process; none where the kernel does not tell.
pub fn memory(pid: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory { resident: field("VmRSS:")?, anonymous: field("RssAnon:")?, peak: field("VmHWM:")? })
}

/// For how long a process computed so far, all of its threads together.
pub fn computed(pid: u32) -> Duration {
    account(pid).map_or(Duration::ZERO, |account| account.own)
}

/// For how long each program computed that this process started, and what those started, by the program's name.
/// Children that ended count with the parent that waited for them.
pub fn computed_by_program() -> BTreeMap<String, Duration> {
    let accounts: BTreeMap<u32, Account> = all().filter_map(|pid| Some((pid, account(pid)?))).collect();
    let own = std::process::id();
    let mut sums = BTreeMap::new();
    for (pid, account) in &accounts {
        let mut above = account.parent;
        while above != own && above > 1 {
            above = accounts.get(&above).map_or(0, |parent| parent.parent);
        }
        if above == own && *pid != own {
            *sums.entry(account.program.clone()).or_default() += account.own + account.children;
        }
    }
    sums
}

/// What was computed from `before` to `after`, the most first: `millrace 12.3 s, postgres 4.5 s`.
pub fn spent(before: &BTreeMap<String, Duration>, after: &BTreeMap<String, Duration>) -> String {
    let of = |program: &String| after[program].saturating_sub(before.get(program).copied().unwrap_or_default());
    let mut all: Vec<_> = after.keys().map(|program| (of(program), program)).collect();
    all.retain(|(spent, _)| *spent >= Duration::from_millis(100));
    all.sort_by(|a, b| b.cmp(a));
    let texts: Vec<_> = all.iter().map(|(spent, program)| format!("{program} {:.1} s", spent.as_secs_f64())).collect();
    texts.join(", ")
}

struct Account {
    program: String,
    parent: u32,
    own: Duration,
    children: Duration,
}

fn account(pid: u32) -> Option<Account> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; proc(5) numbers the fields from 1.
    let (head, tail) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = tail.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = |count: u64| Duration::from_millis(count * 1000 / TICKS);
    Some(Account {
        program: head.split_once('(')?.1.to_owned(),
        parent: u32::try_from(field(4)?).ok()?,
        own: ticks(field(14)? + field(15)?),
        children: ticks(field(16)? + field(17)?),
    })
}

fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
