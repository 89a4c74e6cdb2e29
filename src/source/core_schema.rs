//! What a plain scalar is, by the core schema of YAML 1.2.

use super::tree::Kind;

/// A scalar that no manifest can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// `.nan`, `.inf`
    NotANumber,
    TooLarge,
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Kind, Refused> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Bool(false)),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(Kind::Text);
    }
    number(text)
}

fn number(text: &str) -> Result<Kind, Refused> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(Refused::NotANumber);
    }
    if let Some((digits, radix)) = integer(text, unsigned) {
        let value = i128::from_str_radix(digits, radix).map_err(|_| Refused::TooLarge)?;
        let value = if text.starts_with('-') { -value } else { value };
        let fits = (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value);
        return if fits { Ok(Kind::Integer(value)) } else { Err(Refused::TooLarge) };
    }
    if !is_float(unsigned) {
        return Ok(Kind::Text);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Kind::Float(value)),
        Ok(_) => Err(Refused::TooLarge),
        Err(_) => Ok(Kind::Text),
    }
}

/// The digits of an integer, and their radix; octal and hexadecimal ones have no sign.
fn integer<'a>(text: &'a str, unsigned: &'a str) -> Option<(&'a str, u32)> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, 8),
        (_, Some(digits)) => (digits, 16),
        _ => (unsigned, 10),
    };
    let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    all.then_some((digits, radix))
}

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, with an exponent or without.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let some = |text: &str| !text.is_empty() && digits(text);
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => some(fraction),
        Some((whole, fraction)) => some(whole) && digits(fraction),
        None => some(mantissa),
    };
    let exponent_fits =
        exponent.is_none_or(|text| some(text.strip_prefix(['+', '-']).unwrap_or(text)));
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        assert_eq!(resolve("yes"), Ok(Kind::Text));
        assert_eq!(resolve("0755"), Ok(Kind::Integer(755)));
        assert_eq!(resolve("0o17"), Ok(Kind::Integer(15)));
        assert_eq!(resolve("-0x1"), Ok(Kind::Text));
        assert_eq!(resolve("1.5e3"), Ok(Kind::Float(1500.0)));
        assert_eq!(resolve("1m30s"), Ok(Kind::Text));
        assert_eq!(resolve("18446744073709551615"), Ok(Kind::Integer(i128::from(u64::MAX))));
        assert_eq!(resolve("18446744073709551616"), Err(Refused::TooLarge));
        assert_eq!(resolve("-.inf"), Err(Refused::NotANumber));
        assert_eq!(resolve("1e999"), Err(Refused::TooLarge));
        assert_eq!(resolve("."), Ok(Kind::Text));
        assert_eq!(resolve("-"), Ok(Kind::Text));
    }
}
