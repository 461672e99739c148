//! What counts rest on besides our code: compiler, kind of processor, and what is linked or counts.
//!
//! Valgrind shows every x86-64 with AVX2 as the same processor, whichever it is; where there is none, the C library copies and
//! compares with up to a tenth more instructions.

use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::RECORD;
use crate::tidy::workspace::run;

/// Where pieces were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Whether the processor has AVX2.
    pub avx2: bool,
    /// The C library, which copies and compares.
    pub libc: String,
    /// The compiler.
    pub rustc: String,
    /// What it compiles for.
    pub target: String,
    /// What counts.
    pub valgrind: String,
}

/// Why counts from elsewhere say nothing here.
#[derive(Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Another kind of processor: these counts never will.
    Elsewhere(String),
    /// Another compiler: somebody has to record anew.
    Compiler(String),
}

impl Ground {
    /// What counts rest on here; `None` where nothing counts.
    pub fn here() -> Result<Option<Self>> {
        let Ok(valgrind) = Command::new("valgrind").arg("--version").output() else {
            return Ok(None);
        };
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let rustc = said(Command::new(rustc).arg("-vV"))?;
        let (rustc, target) = compiler(&rustc).context("rustc -vV says something else")?;
        let libc = said(Command::new("getconf").arg("GNU_LIBC_VERSION"));
        Ok(Some(Self {
            avx2: has_avx2(),
            libc: libc.unwrap_or_else(|_| "unknown".to_owned()),
            rustc,
            target,
            valgrind: String::from_utf8_lossy(&valgrind.stdout).trim().to_owned(),
        }))
    }

    /// Why what was counted on this ground says nothing there.
    pub fn obstacle(&self, there: &Self) -> Option<Obstacle> {
        let (recorded, here) = (self.processor(), there.processor());
        if recorded != here {
            let why = format!(
                "recorded for {recorded}, and this is {here}: other processors have other instructions"
            );
            return Some(Obstacle::Elsewhere(why));
        }
        if self.rustc != there.rustc {
            let why = format!(
                "recorded with rustc {}, and this is rustc {}: counts are the compiler's as much as the code's. Use that one, \
                 or, with nothing else changed, record with this one: {RECORD}",
                self.rustc, there.rustc
            );
            return Some(Obstacle::Compiler(why));
        }
        None
    }

    fn processor(&self) -> String {
        let avx2 = if self.avx2 { " with AVX2" } else { "" };
        format!("{}{avx2}", self.target)
    }

    /// What else differs there and may have changed a count.
    pub fn differences(&self, there: &Self) -> Vec<String> {
        let pairs = [(&self.libc, &there.libc), (&self.valgrind, &there.valgrind)];
        let differing = pairs
            .into_iter()
            .filter(|(recorded, here)| recorded != here);
        differing
            .map(|(recorded, here)| {
                format!("recorded with {recorded}, and this is {here}, which may be why")
            })
            .collect()
    }
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// The compiler and its target, from what `rustc -vV` says.
fn compiler(said: &str) -> Option<(String, String)> {
    let rustc = said.lines().next()?.strip_prefix("rustc ")?;
    let target = said.lines().find_map(|line| line.strip_prefix("host: "))?;
    Some((rustc.to_owned(), target.to_owned()))
}

/// What a program prints.
pub fn said(command: &mut Command) -> Result<String> {
    let printed = String::from_utf8(run(command)?)?;
    Ok(printed.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(rustc: &str, target: &str, libc: &str) -> Ground {
        Ground {
            avx2: true,
            libc: libc.to_owned(),
            rustc: rustc.to_owned(),
            target: target.to_owned(),
            valgrind: "valgrind-3".to_owned(),
        }
    }

    #[test]
    fn the_compiler_is_read_from_what_it_says() {
        let said = "rustc 1.95.0 (5980 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        let expected = (
            "1.95.0 (5980 2026-04-14)".to_owned(),
            "x86_64-unknown-linux-gnu".to_owned(),
        );
        assert_eq!(compiler(said), Some(expected));
        assert_eq!(compiler("cargo 1.95.0"), None);
    }

    #[test]
    fn another_processor_is_left_out_and_another_compiler_is_told() {
        let recorded = ground("1.95", "x86_64", "glibc 2.36");
        let at = |rustc, target| recorded.obstacle(&ground(rustc, target, "glibc 2.41"));
        assert_eq!(at("1.95", "x86_64"), None);
        assert!(
            matches!(at("1.96", "aarch64"), Some(Obstacle::Elsewhere(why)) if why.contains("aarch64"))
        );
        let narrow = Ground {
            avx2: false,
            ..recorded.clone()
        };
        assert!(
            matches!(recorded.obstacle(&narrow), Some(Obstacle::Elsewhere(why)) if why.contains("x86_64 with AVX2,"))
        );
        let Some(Obstacle::Compiler(why)) = at("1.96", "x86_64") else {
            panic!("another compiler is none");
        };
        assert!(
            why.contains("1.95") && why.contains("1.96") && why.ends_with(RECORD),
            "{why}"
        );
    }

    #[test]
    fn another_library_is_named_where_a_count_is_wrong() {
        let recorded = ground("1.95", "x86_64", "glibc 2.36");
        assert_eq!(recorded.differences(&recorded), [""; 0]);
        assert_eq!(
            recorded.differences(&ground("1.95", "x86_64", "glibc 2.41")),
            ["recorded with glibc 2.36, and this is glibc 2.41, which may be why"]
        );
    }
}
