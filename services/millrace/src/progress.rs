//! Progress of long work on stderr: a bar when it is a terminal, plain lines when it is not.

use std::io::{IsTerminal, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Plain lines come at most this often.
const PACE: Duration = Duration::from_secs(1);

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How far a piece of long work is.
pub struct Progress {
    label: String,
    bar: Option<ProgressBar>,
    shown: Option<(Instant, String)>,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new(label: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = BARS.add(ProgressBar::new_spinner().with_prefix(label.to_owned()));
            bar.set_style(style("{spinner} {prefix}  {msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { label: label.to_owned(), bar, shown: None }
    }

    /// So much of `total` is done; `text` says what.
    pub fn set(&mut self, done: u64, total: Option<u64>, text: &str) {
        match &self.bar {
            Some(bar) => {
                if let Some(total) = total.filter(|total| bar.length() != Some(*total) && *total > 0) {
                    bar.set_length(total);
                    bar.set_style(style("{spinner} {prefix}  [{bar:30}] {pos}/{len}  {msg}"));
                }
                bar.set_position(done);
                bar.set_message(text.to_owned());
            }
            None => self.plain(text, false),
        }
    }

    /// Done; the last word stays on the screen.
    pub fn finish(mut self, text: &str) {
        if let Some(bar) = self.bar.take() {
            bar.set_style(style("  {prefix}  {msg}"));
            bar.finish_with_message(text.to_owned());
        } else {
            self.plain(text, true);
        }
    }

    fn plain(&mut self, text: &str, last: bool) {
        let due = match &self.shown {
            Some((_, shown)) if shown == text => false,
            Some((when, _)) => last || when.elapsed() >= PACE,
            None => true,
        };
        if due {
            eprintln!("{}: {}", self.label, crate::output::printable(text));
            self.shown = Some((Instant::now(), text.to_owned()));
        }
    }
}

/// What is dropped before it is done leaves no half a bar behind.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are written above").progress_chars("=> ")
}

/// Writes to stderr without tearing the bars: for the log.
#[derive(Clone, Copy)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        BARS.suspend(|| std::io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
