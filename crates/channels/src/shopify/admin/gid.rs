//! Ids as GraphQL writes them, and keys that name a call.

use sha2::{Digest, Sha256};

/// `gid://shopify/{kind}/{id}`.
pub(super) fn gid(kind: &str, id: &str) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// Whether a text is an id as the shop numbers things.
pub(super) fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

/// A UUID (version 8) that stands for these texts: the same for the same texts.
pub(super) fn uuid<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }
    let mut hex = String::new();
    for (at, byte) in hash.finalize().iter().take(16).enumerate() {
        let byte = match at {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            hex.push('-');
        }
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that no shop can have is not asked for: the shop refuses the whole call.
    #[test]
    fn an_id_is_a_number_of_64_bits() {
        for (text, expected) in [
            ("808950810", true),
            ("18446744073709551615", true),
            ("18446744073709551616", false),
            ("8089508108089508108089508", false),
            ("+5", false),
            ("", false),
            ("8x", false),
        ] {
            assert_eq!(is_id(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_key_has_one_uuid() {
        let one = uuid(["shop:1:7", "shop:1:8"]);
        assert_eq!(one, uuid(["shop:1:7", "shop:1:8"]));
        for other in [
            vec!["shop:1:7"],
            vec!["shop:1:7shop:1:8"],
            vec!["shop:1:8", "shop:1:7"],
        ] {
            assert_ne!(one, uuid(other));
        }
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(&one[14..15], "8");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
    }
}
