//! Keys and ciphers of personal data: one master key wraps a key a day (inbox) and a key a buyer (vault).
//!
//! Deleting a wrapped key makes every copy of what it encrypted unreadable. The master key lives in a file of
//! its own and is never written to the journal or to a backup.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::JournalError;
use crate::bytes::{hex, unhex};
use crate::types::normal_term;

pub(crate) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// HMAC fills a shorter key with zeros up to the block of its hash.
const HMAC_BLOCK_BYTES: usize = 64;

/// The key that wraps all others. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; KEY_BYTES]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

impl MasterKey {
    /// A key from a secret store.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a key file, if there is one.
    ///
    /// # Errors
    /// [`JournalError::Io`] when it cannot be read, or does not hold 64 hexadecimal digits.
    pub fn load(path: &Path) -> Result<Option<Self>, JournalError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unusable(path, &e)),
        }
    }

    /// As [`MasterKey::load`]; makes a file with a random key and mode 0600 where there is none.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self, JournalError> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        create(path, &random()?).map_err(|e| unusable(path, &e))?;
        let text = fs::read_to_string(path).map_err(|e| unusable(path, &e))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, JournalError> {
        let bytes = unhex(text.trim()).ok();
        let key = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        key.map(Self).ok_or_else(|| {
            let path = path.display();
            JournalError::Io(format!(
                "key file {path} does not hold 64 hexadecimal digits"
            ))
        })
    }
}

fn unusable(path: &Path, error: &io::Error) -> JournalError {
    JournalError::Io(format!("key file {}: {error}", path.display()))
}

/// Writes the whole key beside `path` and links it there, so that half a key is never found under its name.
fn create(path: &Path, key: &[u8; KEY_BYTES]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = Path::new(&name);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(beside)?;
    file.write_all(hex(key).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let linked = fs::hard_link(beside, path);
    fs::remove_file(beside)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => sync_dir(path.parent()),
    }
}

/// Makes a new name in a directory durable.
pub(crate) fn sync_dir(dir: Option<&Path>) -> io::Result<()> {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty());
    fs::File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], JournalError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| JournalError::Io(format!("no random numbers from the system: {e}")))?;
    Ok(bytes)
}

/// A key of one day or of one buyer.
#[derive(Clone)]
pub(crate) struct DataKey([u8; KEY_BYTES]);

impl DataKey {
    pub(crate) fn generate() -> Result<Self, JournalError> {
        Ok(Self(random()?))
    }

    /// Encrypts; the result opens only with the same key and the same `bound_to`.
    pub(crate) fn seal(&self, bound_to: &str, plain: &[u8]) -> Result<Vec<u8>, JournalError> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let payload = Payload {
            msg: plain,
            aad: bound_to.as_bytes(),
        };
        let sealed = XChaCha20Poly1305::new(&self.0.into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| JournalError::Io(format!("{bound_to} is too large to encrypt")))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`DataKey::seal`] made.
    pub(crate) fn open(&self, bound_to: &str, sealed: &[u8]) -> Result<Vec<u8>, JournalError> {
        let damaged = || JournalError::Corrupt {
            at: bound_to.to_owned(),
            what: "it does not decrypt with the stored key".to_owned(),
        };
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(damaged)?;
        let payload = Payload {
            msg: sealed,
            aad: bound_to.as_bytes(),
        };
        XChaCha20Poly1305::new(&self.0.into())
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| damaged())
    }
}

/// What is derived from the master key, each for one purpose.
#[derive(Clone)]
pub(crate) struct Keyring {
    wrap: DataKey,
    terms: [u8; KEY_BYTES],
    buyers: [u8; KEY_BYTES],
    addresses: [u8; KEY_BYTES],
    bodies: [u8; KEY_BYTES],
    check: [u8; KEY_BYTES],
}

impl Keyring {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let derive = |purpose: &str| keyed_hash(&master.0, &[purpose]);
        Self {
            wrap: DataKey(derive("crossdock wrap v1")),
            terms: derive("crossdock terms v1"),
            buyers: derive("crossdock buyers v1"),
            addresses: derive("crossdock addresses v1"),
            bodies: derive("crossdock bodies v1"),
            check: derive("crossdock check v1"),
        }
    }

    /// Tells whether a journal was made under this master key, without telling anything else about it.
    pub(crate) fn check(&self) -> String {
        hex(&self.check)
    }

    pub(crate) fn wrap(&self, name: &str, key: &DataKey) -> Result<Vec<u8>, JournalError> {
        self.wrap.seal(name, &key.0)
    }

    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<DataKey, JournalError> {
        let key = self.wrap.open(name, wrapped)?;
        let key = key.try_into().map_err(|_| JournalError::Corrupt {
            at: name.to_owned(),
            what: "the key has a wrong length".to_owned(),
        })?;
        Ok(DataKey(key))
    }

    /// The hash a search term is stored under.
    pub(crate) fn term(&self, field: &str, term: &str) -> [u8; KEY_BYTES] {
        keyed_hash(&self.terms, &[field, normal_term(term).as_str()])
    }

    /// The hash a buyer is stored under.
    pub(crate) fn buyer(&self, buyer: &str) -> [u8; KEY_BYTES] {
        keyed_hash(&self.buyers, &[buyer])
    }

    /// The hash that a repeat of a delivery is known by. Keyed: it stays when the body is erased.
    pub(crate) fn body(&self, body: &[u8]) -> [u8; KEY_BYTES] {
        keyed_hash(&self.bodies, &[body])
    }

    /// Names an address of a subject in events, which are never erased: keyed, so that nobody tells the address
    /// from it, and of the subject, so that nobody tells two buyers at one address.
    pub(crate) fn address(&self, subject: &str, address: &str) -> u64 {
        address_version(&self.addresses, subject, address)
    }
}

/// The first bytes of a keyed hash as a number that is never 0: that stands for no address at all. 63 bits, so that
/// whoever reads it as JSON or in SQL has all of it.
pub(crate) fn address_version(key: &[u8; KEY_BYTES], subject: &str, address: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = keyed_hash(key, &[subject, address]);
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1).max(1)
}

/// HMAC-SHA256 of the parts, each behind its length.
fn keyed_hash<P: AsRef<[u8]>>(key: &[u8; KEY_BYTES], parts: &[P]) -> [u8; KEY_BYTES] {
    let mut block = [0; HMAC_BLOCK_BYTES];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for part in parts {
        let part = part.as_ref();
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The hash a subject has in the erasure log. Not keyed: a restore applies the log without the master key,
/// and an order's name is no personal data.
pub(crate) fn erased_hash(subject: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"crossdock erasure v1:");
    hash.update(subject.as_bytes());
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn sealed_data_opens_only_where_it_belongs() {
        let key = DataKey::generate().unwrap();
        let sealed = key.seal("order:1", b"Ann").unwrap();
        assert_eq!(key.open("order:1", &sealed).unwrap(), b"Ann");
        assert!(key.open("order:2", &sealed).is_err());
        assert!(
            DataKey::generate()
                .unwrap()
                .open("order:1", &sealed)
                .is_err()
        );
        assert!(key.open("order:1", &sealed[..20]).is_err());
    }

    #[test]
    fn key_file_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let key = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(MasterKey::load_or_create(&path).unwrap(), key);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
        fs::write(&path, "short").unwrap();
        assert!(MasterKey::load_or_create(&path).is_err());
    }

    /// Stored hashes are found again only while these values stay what they are.
    #[test]
    fn hashes_are_golden() {
        let keys = Keyring::new(&MasterKey::from_bytes([7; 32]));
        assert_eq!(
            keys.term("email", " A@B.example "),
            keys.term("email", "a@b.example")
        );
        let found = [
            &hex(&keys.term("email", "a@b.example"))[..16],
            &hex(&keys.buyer("b"))[..16],
            &format!("{:016x}", keys.address("order:shop:1", "1 road")),
            &keys.check()[..16],
            &erased_hash("order:shop:1")[..16],
        ];
        assert_eq!(
            found,
            [
                "495520fb7a367910",
                "aa3eb202a6dbf2a8",
                "69ddbb42306c9b3e",
                "9da4a52b148bfed0",
                "7d89f73ee40e790a"
            ]
        );
    }
}
