//! Events from entropy: bytes decide each choice, and no bytes left means the plainest choice, so
//! that a failing case shrinks to something readable.

/// Bytes to choose by.
pub(crate) struct Entropy<'a>(pub(crate) &'a [u8]);

impl Entropy<'_> {
    /// A number below `n`, 0 when the bytes have run out.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let mut number = 0;
        for _ in 0..if n > 256 { 3 } else { 1 } {
            if let Some((first, rest)) = self.0.split_first() {
                number = number << 8 | usize::from(*first);
                self.0 = rest;
            }
        }
        number % n
    }

    /// True once in `n`, roughly; false when the bytes have run out.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 12] = [
    "system:serviceaccount:shop:web",
    "get",
    "",
    "a",
    "secrets",
    "apps",
    "näme",
    "with \"quotes\"",
    "back\\slash\\",
    "{\"kind\":\"Event\"",
    "nul\0 and \u{1b}[31m",
    "emoji 😀 </script>",
];

/// A string literal, with more escapes than it needs.
fn string(entropy: &mut Entropy<'_>, text: &str) -> String {
    let style = entropy.below(8);
    let mut out = String::from("\"");
    for char in text.chars() {
        let must = matches!(char, '"' | '\\' | '\0'..' ');
        if style == 7 && entropy.once_in(2) || must && !matches!(char, '"' | '\\') {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                out.extend(format!("\\u{unit:04X}").chars());
            }
        } else if must || style == 6 && char == '/' {
            out.push('\\');
            out.push(char);
        } else {
            out.push(char);
        }
    }
    if style == 5 && entropy.once_in(4) {
        out.push_str("\\ud800");
    }
    out.push('"');
    out
}

fn name(entropy: &mut Entropy<'_>) -> String {
    let text = entropy.pick(&NAMES);
    string(entropy, text)
}

/// Any value at all.
fn value(entropy: &mut Entropy<'_>, depth: usize) -> String {
    match entropy.below(if depth > 4 { 7 } else { 12 }) {
        0 => "null".to_owned(),
        1 => "200".to_owned(),
        2 => "true".to_owned(),
        3 => entropy
            .pick(&[
                "-1.5e300",
                "0",
                "-0",
                "18446744073709551616",
                "123456789012345678",
                "200.0",
                "2e2",
                "1e-400",
                "0.1",
                "-1",
                "70000",
                "99999999999999999999999999999",
            ])
            .to_owned(),
        4..7 => name(entropy),
        7..10 => {
            let mut members = Vec::new();
            for _ in 0..entropy.below(4) {
                let key =
                    entropy.pick(&["verb", "user", "username", "code", "kind", "k/v", "name"]);
                let key = string(entropy, key);
                members.push(format!("{key}:{}", value(entropy, depth + 1)));
            }
            object(entropy, &members)
        }
        _ => {
            let items: Vec<String> = (0..entropy.below(4))
                .map(|_| value(entropy, depth + 1))
                .collect();
            format!("[{}]", items.join(","))
        }
    }
}

fn object(entropy: &mut Entropy<'_>, members: &[String]) -> String {
    let space = ["", "", "", " ", "\t", " \r\n "][entropy.below(6)];
    format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
}

/// The members in turn, each there or not, a few of them twice, of another type, or unknown.
fn members(entropy: &mut Entropy<'_>, known: &[(&str, Make)]) -> String {
    let mut members = Vec::new();
    for (key, make) in known {
        if entropy.once_in(8) {
            continue;
        }
        let key = string(entropy, key);
        let space = if entropy.once_in(32) { " " } else { "" };
        let value = match entropy.below(64) {
            63 => value(entropy, 2),
            62 => "null".to_owned(),
            _ => make(entropy),
        };
        members.push(format!("{key}{space}:{space}{value}"));
        if entropy.once_in(64) {
            members.push(format!("{key}:{}", make(entropy)));
        }
        if entropy.once_in(64) {
            members.push(format!("\"new\":{}", value_of_any(entropy)));
        }
    }
    if entropy.once_in(4) && !members.is_empty() {
        for at in 0..members.len() {
            let other = entropy.below(members.len());
            members.swap(at, other);
        }
    }
    object(entropy, &members)
}

type Make = fn(&mut Entropy<'_>) -> String;

fn value_of_any(entropy: &mut Entropy<'_>) -> String {
    value(entropy, 0)
}

fn names(entropy: &mut Entropy<'_>) -> String {
    let items: Vec<String> = (0..entropy.below(4)).map(|_| name(entropy)).collect();
    format!("[{}]", items.join(","))
}

fn strings_by_name(entropy: &mut Entropy<'_>) -> String {
    let known: [(&str, Make); 3] = [
        ("authorization.k8s.io/decision", name),
        ("authorization.k8s.io/reason", name),
        ("k8s.io/\"odd\"", name),
    ];
    members(entropy, &known)
}

fn extra(entropy: &mut Entropy<'_>) -> String {
    let known: [(&str, Make); 2] = [
        ("authentication.kubernetes.io/pod-name", names),
        ("x", names),
    ];
    members(entropy, &known)
}

fn user(entropy: &mut Entropy<'_>) -> String {
    let known: [(&str, Make); 4] = [
        ("username", name),
        ("uid", name),
        ("groups", names),
        ("extra", extra),
    ];
    members(entropy, &known)
}

fn object_ref(entropy: &mut Entropy<'_>) -> String {
    let known: [(&str, Make); 8] = [
        ("resource", name),
        ("namespace", name),
        ("name", name),
        ("uid", name),
        ("apiGroup", name),
        ("apiVersion", name),
        ("resourceVersion", name),
        ("subresource", name),
    ];
    members(entropy, &known)
}

fn status(entropy: &mut Entropy<'_>) -> String {
    let known: [(&str, Make); 4] = [
        ("metadata", |_| "{}".to_owned()),
        ("message", name),
        ("reason", name),
        ("code", |entropy| {
            entropy
                .pick(&["200", "403", "0", "65535", "65536"])
                .to_owned()
        }),
    ];
    members(entropy, &known)
}

fn time(entropy: &mut Entropy<'_>) -> String {
    let times = [
        "2026-11-22T04:23:53.753106Z",
        "2026-11-22T04:23:53Z",
        "2026-11-31T04:23:53.753106Z",
    ];
    format!("\"{}\"", entropy.pick(&times))
}

/// A line that is an event, or nearly.
pub(crate) fn event(entropy: &mut Entropy<'_>) -> String {
    let levels: Make = |entropy| {
        let level = entropy.pick(&["Metadata", "RequestResponse", "default"]);
        string(entropy, level)
    };
    let stages: Make = |entropy| {
        let stage = entropy.pick(&[
            "ResponseComplete",
            "Panic",
            "ResponseStarted",
            "RequestReceived",
        ]);
        string(entropy, stage)
    };
    let known: [(&str, Make); 19] = [
        ("kind", |_| "\"Event\"".to_owned()),
        ("apiVersion", |_| "\"audit.k8s.io/v1\"".to_owned()),
        ("level", levels),
        ("auditID", name),
        ("stage", stages),
        ("requestURI", name),
        ("verb", name),
        ("user", user),
        ("impersonatedUser", user),
        ("authenticationMetadata", strings_by_name),
        ("sourceIPs", names),
        ("userAgent", name),
        ("objectRef", object_ref),
        ("responseStatus", status),
        ("requestObject", value_of_any),
        ("responseObject", value_of_any),
        ("requestReceivedTimestamp", time),
        ("stageTimestamp", time),
        ("annotations", strings_by_name),
    ];
    members(entropy, &known)
}

/// The line, damaged in a few places.
pub(crate) fn damage(entropy: &mut Entropy<'_>, line: &str, other: &str) -> String {
    let mut bytes = line.as_bytes().to_vec();
    for _ in 0..=entropy.below(3) {
        let at = entropy.below(bytes.len() + 1);
        match entropy.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => {
                const TELLING: &[u8] = b"\"\\{}[],:0 u\0n";
                bytes[at] = TELLING[entropy.below(TELLING.len())];
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << entropy.below(7),
            3 => {
                let end = (at + 1 + entropy.below(40)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            4 => {
                let from = entropy.below(other.len() + 1);
                bytes.splice(at.., other.bytes().skip(from));
            }
            5 => bytes.splice(at.., other.bytes()).for_each(drop),
            6 => {
                let end = (at + entropy.below(300)).min(bytes.len());
                let copy = bytes[at.min(end)..end].to_vec();
                let to = entropy.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => {
                let insert =
                    entropy.pick(&["{", "}", "\"", "\\", ",", "null", "\"verb\":\"x\",", " "]);
                bytes.splice(at..at, insert.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
