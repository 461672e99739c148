//! Rust source as the rules read it: comments and literals blanked, then cut into words and signs.
//!
//! A rule that names what is forbidden would otherwise find itself, and a doc comment may say what code may not.

/// A word or a single sign of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

/// The source with every comment and every literal of text replaced by spaces; lines stay where they are.
pub fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        match blank_end(&chars, at) {
            Some(end) => {
                let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
                code.extend(chars[at..end].iter().map(blank));
                at = end;
            }
            None => {
                code.push(chars[at]);
                at += 1;
            }
        }
    }
    code
}

/// The words and signs of blanked code, in order.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let line = index + 1;
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text, line });
            rest = after.trim_start();
        }
    }
    tokens
}

/// Whether these tokens begin with these texts.
pub fn begins(tokens: &[Token<'_>], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(t, text)| t.text == *text)
}

/// How many lines of blanked code stand before an inline `#[cfg(test)] mod tests {`; all, if there is none.
pub fn production_lines(code: &str) -> usize {
    const MARK: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]", "mod", "tests", "{"];
    let tokens = tokens(code);
    (0..tokens.len())
        .find(|&at| begins(&tokens[at..], MARK))
        .map_or_else(|| code.lines().count(), |at| tokens[at].line - 1)
}

/// Where the comment or literal that starts here ends, if one starts here.
fn blank_end(chars: &[char], at: usize) -> Option<usize> {
    match (chars[at], chars.get(at + 1)) {
        ('/', Some('/')) => Some(find(chars, at, '\n')),
        ('/', Some('*')) => Some(block_comment_end(chars, at)),
        ('"', _) => Some(string_end(chars, at)),
        ('r', Some('"' | '#')) => raw_string_end(chars, at),
        ('\'', Some('\\')) => Some(find(chars, at + 3, '\'') + 1),
        // Anything else after a quote is a lifetime.
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => Some(at + 3),
        _ => None,
    }
    .map(|end| end.min(chars.len()))
}

/// The first place of `wanted` from `at` on, or the end.
fn find(chars: &[char], at: usize, wanted: char) -> usize {
    (at..chars.len())
        .find(|&index| chars[index] == wanted)
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The end of `r"…"` or `r#"…"#`; a raw identifier such as `r#type` is none.
fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let quote = start + 1 + hashes;
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| {
        let after = &chars[at + 1..];
        chars[*at] == '"' && after.len() >= hashes && after[..hashes].iter().all(|c| *c == '#')
    };
    let end = (quote + 1..chars.len()).find(closes);
    Some(end.map_or(chars.len(), |end| end + 1 + hashes))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        let cases = [
            ("a // tokio\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            (r#"f("tokio \" rand", b)"#, "f ( , b )"),
            ("f(r#\"a \" tokio\"#, r\"x\")", "f ( , )"),
            ("r#type x", "r # type x"),
            ("m('\"', '\\'', '\\\\', b)", "m ( , , , b )"),
            ("fn f<'a>(x: &'a str)", "fn f < ' a > ( x : & ' a str )"),
            ("\"never closed", ""),
            ("/* never closed", ""),
            ("'\\", ""),
        ];
        for (source, expected) in cases {
            let code = code_only(source);
            let texts: Vec<&str> = tokens(&code).iter().map(|token| token.text).collect();
            assert_eq!(texts.join(" "), expected, "{source}");
        }
    }

    #[test]
    fn lines_are_kept() {
        let code = code_only("/* 1\n2 */\n\"3\n4\" here");
        assert_eq!(
            tokens(&code),
            [Token {
                text: "here",
                line: 4
            }]
        );
    }

    #[test]
    fn production_ends_before_the_inline_tests_only() {
        let cases = [
            ("a\nb\n#[cfg(test)]\nmod tests {\n}\n", 2),
            ("a\n#[cfg(test)]\nmod tests;\nb\n", 4),
            ("a\n// #[cfg(test)] mod tests {\nb\n", 3),
            ("a\nb\n", 2),
        ];
        for (source, expected) in cases {
            assert_eq!(production_lines(&code_only(source)), expected, "{source}");
        }
    }
}
