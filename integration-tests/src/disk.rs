//! Disks that can be full, or lose their power. Both need leave to mount.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::PATIENCE;

/// A file system of its own; gone with the value.
pub struct Disk {
    place: PathBuf,
    image: Option<PathBuf>,
}

impl Disk {
    /// One in memory, of this size, as `16m`. `None`, said with the test's name, where nothing may be mounted.
    pub fn in_memory(test: &str, place: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &options, "millrace-test", &place.display().to_string()]);
        mounted.then(|| Self { place: place.to_owned(), image: None }).or_else(|| skipped(test))
    }

    /// One of ext4 on a file beside `place`, whose power can be cut. It begins with what lies at `place`, its owner
    /// and its rights.
    pub fn with_power_switch(test: &str, place: &Path, megabytes: u32) -> Option<Self> {
        let image = place.with_extension("disk");
        let made = File::create(&image).and_then(|file| file.set_len(u64::from(megabytes) << 20));
        made.expect("the folder takes files");
        let disk = Self { place: place.to_owned(), image: Some(image.clone()) };
        let (image, place) = (image.display().to_string(), place.display().to_string());
        // As the file system is made, it takes in what there is.
        let formatted = run("mkfs.ext4", &["-q", "-F", "-m", "0", "-d", &place, &image]);
        let metadata = std::fs::metadata(&place).expect("there is such a folder");
        let mounted = formatted && disk.mount();
        if mounted {
            // All but the root of the file system has its owner and rights already.
            std::os::unix::fs::chown(&place, Some(metadata.uid()), Some(metadata.gid())).expect("who mounts may");
            std::fs::set_permissions(&place, metadata.permissions()).expect("who mounts may");
            std::fs::remove_dir(disk.place.join("lost+found")).expect("a new file system has one");
        }
        mounted.then_some(disk).or_else(|| skipped(test))
    }

    /// Makes it refuse every write, also by whoever has opened a file already: every file and folder becomes
    /// immutable. (A file system is not made read-only under a file that is open.) The memory that SQLite's processes
    /// share is left out: a write to it is a store to memory, which on such a disk ends the process.
    pub async fn refuse_writes(&self) {
        self.change("+i").await;
    }

    /// Takes that back.
    pub async fn take_writes(&self) {
        self.change("-i").await;
    }

    async fn change(&self, attribute: &str) {
        let place = self.place.display().to_string();
        let arguments = [&place, "-xdev", "-not", "-name", "*-shm", "-exec", "chattr", attribute, "{}", "+"];
        // A file may go while it is looked for.
        testkit::eventually!(PATIENCE, run("find", &arguments));
    }

    /// Fills it to its last byte.
    pub fn fill(&self) {
        let mut ballast = File::create(self.place.join(BALLAST)).expect("a full disk takes names");
        let zeros = vec![0; 64 * 1024];
        for length in [zeros.len(), 4096, 1] {
            while ballast.write_all(&zeros[..length]).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn clear(&self) {
        std::fs::remove_file(self.place.join(BALLAST)).expect("it was filled");
    }

    /// Makes one in memory larger or smaller.
    pub fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(
            run("mount", &["-o", &options, &self.place.display().to_string()]),
            "{} is mounted",
            self.place.display()
        );
    }

    /// Cuts the power: nothing that was not synced is ever written, and every later write fails.
    pub fn cut(&self) {
        assert!(
            run("python3", &["-c", SHUTDOWN, &self.place.display().to_string()]),
            "the file system can be shut down"
        );
    }

    /// Brings the power back; whatever used the disk must have been killed.
    pub async fn plug_in(&self) {
        // The children of one that was killed end a moment later.
        testkit::eventually!(PATIENCE, run("umount", &[&self.place.display().to_string()]));
        assert!(self.mount(), "{} can be mounted again", self.place.display());
    }

    fn mount(&self) -> bool {
        let image = self.image.as_ref().expect("it has a power switch");
        run("mount", &["-o", "loop", &image.display().to_string(), &self.place.display().to_string()])
    }
}

/// The file that fills a disk.
const BALLAST: &str = "ballast";

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: the journal is not written out either.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: on a failure the mesh is still there.
        run("umount", &["-l", &self.place.display().to_string()]);
    }
}

fn skipped(test: &str) -> Option<Disk> {
    eprintln!("skipped: {test}: no file system may be mounted here");
    None
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_loses_what_was_not_synced_and_nothing_else() {
        let name = concat!(module_path!(), "::a_cut_loses_what_was_not_synced_and_nothing_else");
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("before"), "all").unwrap();
        let Some(disk) = Disk::with_power_switch(name, &place, 32) else { return };
        assert_eq!(std::fs::read(place.join("before")).unwrap(), b"all");
        let mut synced = File::create(place.join("synced")).unwrap();
        synced.write_all(b"all").unwrap();
        synced.sync_all().unwrap();
        std::fs::write(place.join("unsynced"), "none").unwrap();
        drop(synced);
        disk.cut();
        assert!(std::fs::write(place.join("late"), "none").is_err());
        disk.plug_in().await;
        assert_eq!(std::fs::read(place.join("synced")).unwrap(), b"all");
        assert!(!place.join("late").exists());
        assert_ne!(std::fs::read(place.join("unsynced")).unwrap_or_default(), b"none");
    }

    #[tokio::test]
    async fn a_disk_that_refuses_writes_refuses_those_of_open_files_too() {
        let name = concat!(module_path!(), "::a_disk_that_refuses_writes_refuses_those_of_open_files_too");
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        std::fs::create_dir(&place).unwrap();
        let Some(disk) = Disk::with_power_switch(name, &place, 32) else { return };
        let mut open = File::create(place.join("open")).unwrap();
        disk.refuse_writes().await;
        assert!(open.write_all(b"late").is_err());
        assert!(File::create(place.join("new")).is_err());
        assert!(std::fs::remove_file(place.join("open")).is_err());
        disk.take_writes().await;
        open.write_all(b"again").unwrap();
        assert_eq!(std::fs::read(place.join("open")).unwrap(), b"again");
    }
}
