//! Servers of tests: programs that end with the value, and also when this process is killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A program under a shell that ends it when our end of its input closes: also when this process is killed.
pub(crate) struct Guarded {
    shell: Child,
    pid_file: PathBuf,
}

/// `program`, to be given its arguments.
pub(crate) fn guarded(program: &Path) -> Command {
    let mut command = Command::new("sh");
    // TERM first; whoever takes longer than five seconds to end is killed.
    let script = r#"pids="$1"; shift; "$@" & child=$!; echo "$child" > "$pids"; cat >/dev/null; kill "$child" 2>/dev/null
        (sleep 5; kill -9 "$child" 2>/dev/null) & last=$!; wait "$child"; kill "$last""#;
    command.args(["-c", script, "sh", PID_FILE]).arg(program);
    command
}

/// The file of the process id, in the folder where the program runs.
const PID_FILE: &str = "pid";

impl Guarded {
    /// Starts it in `folder`, where its `log` lies then and its process id.
    pub fn spawn(mut command: Command, folder: &Path) -> Self {
        let pid_file = folder.join(PID_FILE);
        let _none = std::fs::remove_file(&pid_file);
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("a folder takes files");
        let twice = log.try_clone().expect("a file can be cloned");
        command.current_dir(folder).stdin(Stdio::piped()).stdout(twice).stderr(log);
        Self { shell: command.spawn().expect("sh is there"), pid_file }
    }

    /// Whether the program has not ended.
    pub fn runs(&self) -> bool {
        let pid = std::fs::read_to_string(&self.pid_file).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // An ended child that nobody waited for is a zombie.
        pid.is_empty() || !(stat.is_empty() || stat.contains(") Z "))
    }

    /// Ends it without warning, unless it has ended by itself.
    pub async fn kill(self) {
        let _gone = signalled(self.pid().await, "KILL");
    }

    async fn pid(&self) -> u32 {
        let pid = testkit::eventually("the process id", crate::PATIENCE, || async {
            std::fs::read_to_string(&self.pid_file).unwrap_or_default().trim().parse::<u32>()
        });
        pid.await
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ended = self.shell.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.pid_file.with_file_name("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- a server said, at last:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn send(pid: u32, signal: &str) {
    assert!(signalled(pid, signal), "the signal {signal} did not reach process {pid}");
}

/// The same; false where there is no such process any more.
pub(crate) fn signalled(pid: u32, signal: &str) -> bool {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
    sent.expect("kill is there").success()
}

/// Ports that nobody listens on. They lie below those that the system gives to connections, and no two calls give the
/// same, so a server finds its port free when it starts again, too.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    [(); N].map(|()| {
        let mut ports = std::iter::repeat_with(|| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS.1);
        ports.find_map(|port| u16::try_from(PORTS.0 + port).ok().filter(free)).expect("some port is free")
    })
}

/// The first port that is given, and how many there are.
const PORTS: (u32, u32) = (10_000, 20_000);
