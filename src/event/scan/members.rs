//! The values in an event, and the tokens they are made of.

use super::{
    Scanner,
    simd::{nested_end, string_stop},
};
use crate::event::{Object, ObjectRef, Text, User, Value};

/// How nearly every response status starts; three digits and `}` follow.
const CODE_ONLY: &[u8; 22] = br#"{"metadata":{},"code":"#;

impl<'a> Scanner<'a> {
    /// `user` and `impersonatedUser`: the name is taken, the rest is kept as text.
    #[inline]
    pub(super) fn user(&mut self) -> Option<User<'a>> {
        let start = self.at;
        let mut name = None;
        let mut extra = Object::default();
        let mut more = self.enter()?;
        if more && self.take(b"\"username\":") {
            name = Some(self.name()?);
            more = self.more()?;
        }
        // In kube-apiserver's order; anything else, a second user name included, goes the long way.
        if more && self.take(b"\"uid\":") {
            self.string()?;
            more = self.more()?;
        }
        if more && self.take(b"\"groups\":[") {
            self.at = nested_end(self.bytes, self.at)?;
            more = self.more()?;
        }
        if more && self.take(b"\"extra\":{") {
            let start = self.at - 1;
            self.at = nested_end(self.bytes, self.at)?;
            extra = Object::from_text(self.text.get(start..self.at)?);
            more = self.more()?;
        }
        let long_way = more;
        while more {
            if self.key()? == "username" {
                if name.is_some() {
                    return None;
                }
                name = Some(self.name()?);
            } else {
                self.skip()?;
            }
            more = self.more()?;
        }
        let name = name.unwrap_or_default();
        let object = Object::from_text(self.text.get(start..self.at)?);
        if long_way {
            return Some(User::new(name, object));
        }
        Some(User {
            name,
            object,
            extra,
        })
    }

    /// `objectRef`.
    #[inline]
    pub(super) fn object_ref(&mut self) -> Option<ObjectRef<'a>> {
        let mut seen = 0_u32;
        let mut object = ObjectRef::default();
        let mut more = self.enter()?;
        macro_rules! in_order {
            ($($key:literal $bit:literal $read:ident $($field:ident)?;)*) => {
                $(if more && self.take($key) {
                    seen |= 1 << $bit;
                    let _text = self.$read()?;
                    $(object.$field = _text;)?
                    more = self.more()?;
                })*
            };
        }
        in_order! {
            b"\"resource\":" 0 name resource;
            b"\"namespace\":" 1 name namespace;
            b"\"name\":" 2 string name;
            b"\"uid\":" 5 string;
            b"\"apiGroup\":" 3 name group;
            b"\"apiVersion\":" 5 string;
            b"\"resourceVersion\":" 5 string;
            b"\"subresource\":" 4 name subresource;
        }
        while more {
            let (bit, field) = match self.key()? {
                "resource" => (0, &mut object.resource),
                "namespace" => (1, &mut object.namespace),
                "name" => (2, &mut object.name),
                "apiGroup" => (3, &mut object.group),
                "subresource" => (4, &mut object.subresource),
                _ => {
                    self.skip()?;
                    more = self.more()?;
                    continue;
                }
            };
            if seen & 1 << bit != 0 {
                return None;
            }
            seen |= 1 << bit;
            *field = if bit == 2 {
                self.string()?
            } else {
                self.name()?
            };
            more = self.more()?;
        }
        Some(object)
    }

    /// `responseStatus`: the code is taken, the whole is kept as text.
    #[inline]
    pub(super) fn status(&mut self) -> Option<(Object<'a>, Option<u16>)> {
        let start = self.at;
        let mut code = None;
        if self.take(CODE_ONLY) {
            code = Some(self.code()?);
            if !self.take(b"}") {
                self.at = start;
                code = None;
            }
        }
        if code.is_none() {
            let mut more = self.enter()?;
            while more {
                if self.key()? == "code" {
                    if code.is_some() {
                        return None;
                    }
                    code = Some(self.code()?);
                } else {
                    self.skip()?;
                }
                more = self.more()?;
            }
        }
        Some((Object::from_text(self.text.get(start..self.at)?), code))
    }

    /// `sourceIPs`, kept as text.
    #[inline]
    pub(super) fn source_ips(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        if self.take(b"[\"") {
            // One address without anything odd, mostly.
            let stop = string_stop(self.bytes, self.at);
            if self.bytes.get(stop..stop + 2) == Some(b"\"]") {
                self.at = stop + 2;
                return Some(Value::from_text(self.text.get(start..self.at)?));
            }
            self.at = start;
        }
        if !self.take(b"[") {
            return None;
        }
        self.at = nested_end(self.bytes, self.at)?;
        Some(Value::from_text(self.text.get(start..self.at)?))
    }

    /// An object, kept as text.
    #[inline]
    pub(super) fn object(&mut self) -> Option<Object<'a>> {
        let start = self.at;
        if !self.take(b"{") {
            return None;
        }
        self.at = nested_end(self.bytes, self.at)?;
        Some(Object::from_text(self.text.get(start..self.at)?))
    }

    /// An HTTP status: digits and nothing else.
    fn code(&mut self) -> Option<u16> {
        let start = self.at;
        let mut code = 0_u16;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            code = code.checked_mul(10)?.checked_add(u16::from(digit - b'0'))?;
            self.at += 1;
        }
        let digits = self.at - start;
        let leading_zero = digits > 1 && self.bytes.get(start) == Some(&b'0');
        // What follows (`.0`, `e2`) is told apart by whoever looks for the comma or the bracket.
        (digits > 0 && !leading_zero).then_some(code)
    }

    /// Into an object: whether it has members.
    #[inline]
    fn enter(&mut self) -> Option<bool> {
        if !self.take(b"{") {
            return None;
        }
        if self.byte() == Some(b'"') {
            return Some(true);
        }
        self.space();
        Some(!self.take(b"}"))
    }

    /// Past a member's value: whether another member follows, or the object ends here.
    #[inline]
    pub(super) fn more(&mut self) -> Option<bool> {
        if self.take(b",") {
            return Some(true);
        }
        if self.take(b"}") {
            return Some(false);
        }
        self.space();
        if self.take(b",") {
            return Some(true);
        }
        self.take(b"}").then_some(false)
    }

    /// A key without escapes, and the colon after it, up to the value.
    pub(super) fn key(&mut self) -> Option<&'a str> {
        self.space();
        let key = self.name()?.as_plain()?;
        self.space();
        if !self.take(b":") {
            return None;
        }
        self.space();
        Some(key)
    }

    /// A string without escapes.
    #[inline]
    pub(super) fn name(&mut self) -> Option<Text<'a>> {
        if self.byte() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let stop = string_stop(self.bytes, start);
        if self.bytes.get(stop) != Some(&b'"') {
            return None;
        }
        self.at = stop + 1;
        Some(Text::plain(self.text.get(start..stop)?))
    }

    /// A string, with escapes or without.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Text<'a>> {
        if self.byte() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let mut stop = string_stop(self.bytes, start);
        let mut escaped = false;
        while self.bytes.get(stop) == Some(&b'\\') {
            escaped = true;
            stop = string_stop(self.bytes, self.escape_end(stop)?);
        }
        if self.bytes.get(stop) != Some(&b'"') {
            return None;
        }
        self.at = stop + 1;
        Some(Text::from_literal(self.text.get(start..stop)?, escaped))
    }

    /// The end of the escape at `at`, if it is one.
    fn escape_end(&self, at: usize) -> Option<usize> {
        match self.bytes.get(at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
            b'u' => {
                let digits = self.bytes.get(at + 2..at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 6)
            }
            _ => None,
        }
    }

    /// Past any value.
    #[inline]
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.byte()? {
            b'{' | b'[' => self.at = nested_end(self.bytes, self.at + 1)?,
            b'"' => drop(self.string()?),
            _ => self.literal()?,
        }
        Some(())
    }

    /// Past a number, `true`, `false` or `null`.
    fn literal(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let end = rest
            .find([',', '}', ']', ' ', '\t', '\n', '\r'])
            .unwrap_or(rest.len());
        let literal = rest.get(..end)?;
        if !matches!(literal, "true" | "false" | "null") && !is_number(literal.as_bytes()) {
            return None;
        }
        self.at += end;
        Some(())
    }

    /// Moves over `bytes` if they are what stands here.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let here = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        let found = here == Some(bytes);
        if found {
            self.at += N;
        }
        found
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Moves over white space.
    #[inline]
    pub(super) fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

/// Whether the text is a JSON number that is neither larger nor finer than what the exact path reads:
/// an integer of at most 18 digits. Others are rare enough to be left to it.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    (1..=18).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'))
}
