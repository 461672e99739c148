//! What bodies say, as a table for people: of which file, read as what, what comes of it and why. `cargo test -p
//! crossdock-channels -- fixtures --nocapture` shows it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::fields::MapError;
use crate::inbound::Inbound;

/// A body of our own: what it is, its topic, and what it says.
pub type Sample = (&'static str, &'static str, &'static str, &'static str);

/// A file below a folder, by its path there, and what is in it.
pub type Fixture = (String, Vec<u8>);

/// The files of a channel that lie beside the project; `None`: they do not.
pub fn shared(channel: &str) -> Option<Vec<Fixture>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/channels");
    let folder = folder.join(channel);
    if !folder.exists() {
        println!("{channel}: no fixtures beside the project, samples only");
        return None;
    }
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let fixture = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        (name.to_owned(), std::fs::read(&path).unwrap())
    };
    Some(paths.into_iter().map(fixture).collect())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

/// What the bodies of a channel say.
#[derive(Default)]
pub struct Table {
    rows: Vec<String>,
    mapped: usize,
    passed_over: usize,
    refused: usize,
}

impl Table {
    /// What a body of a file says as that, in words.
    pub fn note(
        &mut self,
        (file, topic): (&str, &str),
        read: &Result<Inbound, MapError>,
        words: &str,
    ) {
        let (count, outcome) = match read {
            Ok(Inbound::Nothing { .. }) => (&mut self.passed_over, "nothing to do"),
            Ok(_) => (&mut self.mapped, "mapped"),
            Err(_) => (&mut self.refused, "exception `unreadable`"),
        };
        *count += 1;
        let row = format!("| {file} | {topic} | {outcome} | {words} |");
        self.rows.push(row);
    }

    /// Shows it to whoever wants to see.
    pub fn print(&self, title: &str) {
        println!(
            "\n{title}\n\n| file | read as | outcome | what it says, or why not |\n|---|---|---|---|"
        );
        for row in &self.rows {
            println!("{row}");
        }
        println!(
            "\n{} mapped, {} with nothing to do, {} named exceptions",
            self.mapped, self.passed_over, self.refused
        );
    }
}

/// Samples of every way in which a body cannot be read say what is expected of them.
pub fn check_samples(
    title: &str,
    samples: &[Sample],
    map: fn(&str, &[u8]) -> Result<Inbound, MapError>,
) {
    let (mut table, mut kinds) = (Table::default(), BTreeSet::new());
    for (what, topic, body, expected) in samples {
        let read = map(topic, body.as_bytes());
        let words = match &read {
            Ok(Inbound::Nothing { why }) => (*why).to_owned(),
            Ok(other) => panic!("{what}: {other:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(words, *expected, "{what}");
        kinds.insert(match &read {
            Ok(_) => "nothing to do",
            Err(MapError::NotJson(_)) => "not JSON",
            Err(MapError::UnknownTopic(_)) => "unknown topic",
            Err(MapError::Field { .. }) => "a field",
        });
        table.note((what, topic), &read, &words);
    }
    assert_eq!(kinds.len(), 4, "a sample of each: {kinds:?}");
    table.print(title);
}
