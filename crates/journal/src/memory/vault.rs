//! Personal data as it is: nothing here outlives the test.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::Timestamp;

use crate::{VaultEntry, VaultWrite, normal_term};

type Key = (String, u64);

/// Rows by subject and version, and who was erased.
#[derive(Debug, Default)]
pub(super) struct Vault {
    rows: BTreeMap<Key, Kept>,
    erased: BTreeSet<String>,
    puts: u64,
}

#[derive(Debug)]
struct Kept {
    put: u64,
    stated_at: Timestamp,
    entry: VaultEntry,
}

impl Vault {
    pub fn entry(&self, subject: &str, version: u64) -> Option<VaultEntry> {
        let kept = self.rows.get(&(subject.to_owned(), version))?;
        Some(kept.entry.clone())
    }

    /// Newest first.
    pub fn find(&self, field: &str, term: &str, limit: usize) -> Vec<Key> {
        let wanted = normal_term(term);
        let has = |kept: &Kept| {
            let mut terms = kept.entry.terms.iter();
            terms.any(|(name, text)| name == field && normal_term(text) == wanted)
        };
        let mut found: Vec<_> = self.rows.iter().filter(|(_, kept)| has(kept)).collect();
        found.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.put));
        let page = found.into_iter().take(limit);
        page.map(|(key, _)| key.clone()).collect()
    }

    pub fn holds(&self, subject: &str) -> bool {
        self.rows.keys().any(|(known, _)| known == subject)
    }

    pub fn has_erased(&self, subject: &str) -> bool {
        self.erased.contains(subject)
    }

    pub fn write(&mut self, change: &VaultWrite) {
        match change {
            VaultWrite::Put {
                subject,
                version,
                stated_at,
                entry,
                ..
            } => {
                let key = (subject.clone(), *version);
                let newer = self.rows.get(&key);
                let newer = newer.is_none_or(|kept| kept.stated_at < *stated_at);
                if newer && !self.has_erased(subject) {
                    self.puts += 1;
                    let kept = Kept {
                        put: self.puts,
                        stated_at: *stated_at,
                        entry: entry.clone(),
                    };
                    self.rows.insert(key, kept);
                }
            }
            VaultWrite::Keep { subject, version } => {
                self.rows
                    .retain(|(known, kept), _| known != subject || Some(*kept) == *version);
            }
            VaultWrite::Erase { subject } => {
                self.rows.retain(|(known, _), _| known != subject);
                self.erased.insert(subject.clone());
            }
        }
    }
}
