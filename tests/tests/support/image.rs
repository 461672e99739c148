//! A disk whose power can be cut: an ext4 image in a file of an XFS image, which is copied by reference. The copy has what the
//! disk had at that moment, and nothing of what only the system's memory had.

use std::path::{Path, PathBuf};
use std::process::Command;

/// XFS makes none that is smaller. Neither takes more room than what is written to it.
const OUTER_BYTES: &str = "320M";
const INNER_BYTES: &str = "128M";

/// Mounted until it is dropped.
pub struct Image {
    outer: Mount,
    /// None while it is exchanged.
    inner: Option<Mount>,
}

impl Image {
    /// Makes the disk below `dir` and mounts it at `at`; why that cannot be done here, otherwise.
    pub fn make(dir: &Path, at: &Path) -> Result<Self, String> {
        let outer = dir.join("outer.img");
        run("truncate", &["-s", OUTER_BYTES], &[&outer])?;
        run("mkfs.xfs", &["-q", "-m", "reflink=1"], &[&outer])?;
        let outer = Mount::of(&outer, &dir.join("outer"))?;
        let disk = outer.at.join("disk.img");
        run("truncate", &["-s", INNER_BYTES], &[&disk])?;
        run("mkfs.ext4", &["-q"], &[&disk])?;
        let inner = Mount::of(&disk, at)?;
        Ok(Self {
            outer,
            inner: Some(inner),
        })
    }

    /// What was written so far is on the disk.
    pub fn sync(&self) {
        let inner = self.inner.as_ref().unwrap();
        run("sync", &["-f"], &[&inner.at]).unwrap();
    }

    /// Notes what the disk has at this moment, while it is written.
    pub fn cut(&self) {
        let (disk, copy) = (self.outer.at.join("disk.img"), self.copy());
        run("cp", &["--reflink=always"], &[&disk, &copy]).unwrap();
    }

    /// Puts what was noted in the place of the disk. Nobody may use it.
    pub fn restore(&mut self) {
        let at = self.inner.take().unwrap().unmounted();
        let disk = self.outer.at.join("disk.img");
        std::fs::rename(self.copy(), &disk).unwrap();
        self.inner = Some(Mount::of(&disk, &at).unwrap());
    }

    fn copy(&self) -> PathBuf {
        self.outer.at.join("cut.img")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // The inner one lies in the outer one.
        self.inner = None;
    }
}

struct Mount {
    at: PathBuf,
}

impl Mount {
    fn of(image: &Path, at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|error| error.to_string())?;
        run("mount", &["-o", "loop"], &[image, at])?;
        Ok(Self { at: at.to_owned() })
    }

    fn unmounted(self) -> PathBuf {
        self.at.clone()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = run("umount", &[], &[&self.at]);
        if let Err(what) = unmounted
            && !std::thread::panicking()
        {
            panic!("{what}");
        }
    }
}

/// Runs a program of the system, which may lie where only the administrator looks.
fn run(program: &str, arguments: &[&str], paths: &[&Path]) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(arguments)
        .args(paths);
    let done = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(format!("{program}: {}", said.trim()))
        }
    }
}
