//! Tests tokens: reading any text as a token is safe, and a minted token is read back in every encoding.

use std::borrow::Cow;

use spots_sessions::address::OwnerHash;
use spots_sessions::token::{Encoding, Token, mint};

/// Reads the input as a token. Then mints a token for an owner of that name, and reads it back.
///
/// # Panics
///
/// If a property does not hold.
pub fn run(bytes: &[u8]) {
    read(bytes);
    if let [size, encoding, owner @ ..] = bytes {
        let name = ["base64", "base64url", "hex", "latin1"][usize::from(encoding % 4)];
        mint_and_read(32 + usize::from(*size) * 992 / 255, name, owner);
    }
}

fn read(text: &[u8]) {
    let token = Token::new(Cow::Borrowed(text));
    assert_eq!(token.owner(), token.clone().owner(), "the same text, the same owner");
    assert_eq!(token.id(), token.clone().id(), "the same text, the same id");
    let owner = token.owner().map(|owner| (owner.route().to_hex(), owner.index_name()));
    assert_eq!(owner, reference(text), "as the format says");
    assert_eq!(format!("{token:?}"), "Token(redacted)");
}

fn mint_and_read(size: usize, name: &str, owner: &[u8]) {
    let owner = OwnerHash::of(b"app", owner);
    let encoding = Encoding::from_name(name).expect("an encoding");
    let (text, token) = mint(owner, size, encoding).expect("random bytes");
    assert_eq!(token.owner(), Some(owner), "{name} of {size} bytes");
    let again = Token::new(Cow::Borrowed(text.as_bytes()));
    assert_eq!(again.owner(), Some(owner), "{name} of {size} bytes, as a caller gives it");
    assert_eq!(again.id(), token.id(), "{name} of {size} bytes");
    let length = match name {
        "base64" => size.div_ceil(3) * 4,
        "base64url" => (size * 4).div_ceil(3),
        "hex" => size * 2,
        _ => size,
    };
    assert_eq!(text.chars().count(), length, "{name} of {size} bytes");
}

/// The route as eight hex digits, and the name of the index in base64url, read bit by bit.
fn reference(text: &[u8]) -> Option<([u8; 8], [u8; 16])> {
    let bytes = hex(text).or_else(|| base64(text)).or_else(|| latin1(text))?;
    let owner: &[u8; 16] = bytes.first_chunk()?;
    let route = format!("{:08x}", u32::from_be_bytes(*owner.first_chunk()?));
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = owner[4..].iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let name: Vec<u8> = (0..16)
        .rev()
        .map(|n| alphabet[usize::try_from(bits >> (6 * n) & 63).unwrap_or(0)])
        .collect();
    Some((route.into_bytes().try_into().ok()?, name.try_into().ok()?))
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let canonical = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if text.len() < 32 || !text.len().is_multiple_of(2) || !text.iter().all(canonical) {
        return None;
    }
    let pairs = text.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Padded base64, or base64url without padding. It must be canonical, and at least 16 bytes long.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > 4096 {
        return None;
    }
    let bare = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let padded = bare.len() < text.len();
    let is_standard = text.len().is_multiple_of(4) && !text.iter().any(|c| b"-_".contains(c));
    let is_url = !padded && !text.iter().any(|c| b"+/".contains(c));
    if !is_standard && !is_url {
        return None;
    }
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for c in bare {
        let sextet = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    // The remaining bits must be zero, and fewer than a character has.
    (count < 6 && bits & ((1 << count) - 1) == 0 && bytes.len() >= 16).then_some(bytes)
}

fn latin1(text: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(text).ok()?.chars().map(|c| u8::try_from(c).ok()).collect()
}
