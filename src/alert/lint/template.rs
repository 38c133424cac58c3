//! The labels that an annotation's template asks for.

/// Whether every `{{` has its `}}`.
pub(super) fn is_balanced(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        match after.split_once("}}") {
            Some((action, after)) if !action.contains("{{") => rest = after,
            _ => return false,
        }
    }
    !rest.contains("{{")
}

/// The labels in `$labels.name`, `.Labels.name` and `index $labels "name"` within `{{ }}`, each once.
pub(super) fn labels_used(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").unwrap_or((after, ""));
        collect(action, &mut found);
        rest = after;
    }
    found.sort();
    found.dedup();
    found
}

fn collect(action: &str, found: &mut Vec<String>) {
    for name in ["$labels", ".Labels"] {
        for after in action.split(name).skip(1) {
            let part = |c: char| c.is_alphanumeric() || c == '_';
            let (dotted, quoted) = (
                after.strip_prefix('.'),
                after.trim_start().strip_prefix('"'),
            );
            let label = match (dotted, quoted) {
                (Some(rest), _) => rest.split(|c| !part(c)).next(),
                (None, Some(rest)) => rest.split_once('"').map(|(label, _)| label),
                (None, None) => None,
            };
            found.extend(label.filter(|label| !label.is_empty()).map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_labels_in_every_spelling() {
        let text = "{{ $labels.a }} {{.Labels.b}} {{ index $labels \"c-d\" }} {{- printf \"%s\" $labels.a -}} \
                    $labels.not {{ $value | humanize }} {{ with $labels }}{{ .x }}{{ end }}";
        assert_eq!(labels_used(text), ["a", "b", "c-d"]);
        assert!(is_balanced(text));
        assert!(!is_balanced("{{ $labels.a }"));
        assert!(!is_balanced("{{ {{ }}"));
    }
}
