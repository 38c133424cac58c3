//! Answers of the Prometheus HTTP API, for those who have a Prometheus and no scrape files:
//! `/api/v1/query`, `/api/v1/query_range`, `/api/v1/series` and `/api/v1/metadata`.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, de::IgnoredAny};

use super::{Exposition, Family, Kind, Labels, Names, Sample, Text, line, seconds};

/// Why an answer of the API says nothing about series.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server's own word.
    #[error("the Prometheus API answered with an error: {0}")]
    Failed(String),
    /// No JSON, or not of a shape that these endpoints have.
    #[error("not an answer of the Prometheus API: {0}")]
    Shape(#[from] serde_json::Error),
}

/// Reads one answer into families, one for each series name (the API knows no types). Series without a
/// name, which are results of expressions, and native histograms are told as bad lines. A series that
/// came without any value (`/api/v1/series`) is one sample NaN without a time.
pub fn read_api(
    json: &[u8],
    wanted: &dyn Fn(&str) -> bool,
    names: &mut Names,
) -> Result<Exposition, ApiError> {
    let mut reader = Reader {
        names,
        wanted,
        families: BTreeMap::new(),
        result: Exposition::default(),
    };
    match serde_json::from_slice::<Answer<Query<Vec<Entry<'_>>>>>(json) {
        Ok(answer) => answer
            .data()?
            .result
            .into_iter()
            .for_each(|entry| reader.entry(&entry)),
        Err(why) => {
            if let Ok(answer) = serde_json::from_slice::<Answer<Query<Value<'_>>>>(json) {
                reader.scalar(&answer.data()?.result);
            } else if let Ok(answer) = serde_json::from_slice::<Answer<Vec<Metric<'_>>>>(json) {
                answer
                    .data()?
                    .iter()
                    .for_each(|metric| reader.add(metric, &[]));
            } else if let Ok(answer) = serde_json::from_slice::<Answer<Metadata<'_>>>(json) {
                reader.metadata(answer.data()?);
            } else {
                return Err(why.into());
            }
        }
    }
    reader.result.families = reader.families.into_values().collect();
    Ok(reader.result)
}

#[derive(Deserialize)]
struct Answer<D> {
    status: String,
    error: Option<String>,
    data: Option<D>,
}

#[derive(Deserialize)]
struct Query<R> {
    result: R,
}

type Metric<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;
type Metadata<'a> = BTreeMap<Cow<'a, str>, Vec<About>>;

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    metric: Metric<'a>,
    #[serde(borrow)]
    value: Option<Value<'a>>,
    #[serde(borrow, default)]
    values: Vec<Value<'a>>,
    #[serde(alias = "histograms")]
    histogram: Option<IgnoredAny>,
}

/// `[ <unix seconds>, "<value>" ]`.
#[derive(Deserialize)]
struct Value<'a>(f64, #[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct About {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    help: String,
    #[serde(default)]
    unit: String,
}

impl<D> Answer<D> {
    fn data(self) -> Result<D, ApiError> {
        let error = self
            .error
            .unwrap_or_else(|| format!("status {:?} without data", self.status));
        match self.data {
            Some(data) if self.status == "success" => Ok(data),
            _ => Err(ApiError::Failed(error)),
        }
    }
}

struct Reader<'n> {
    names: &'n mut Names,
    wanted: &'n dyn Fn(&str) -> bool,
    families: BTreeMap<Text, Family>,
    result: Exposition,
}

impl Reader<'_> {
    fn entry(&mut self, entry: &Entry<'_>) {
        if entry.histogram.is_some() {
            self.bad("a native histogram, which is passed over");
        }
        let values: Vec<&Value<'_>> = entry.value.iter().chain(&entry.values).collect();
        if !values.is_empty() {
            self.add(&entry.metric, &values);
        }
    }

    /// A scalar has no name of its own.
    fn scalar(&mut self, value: &Value<'_>) {
        let name = BTreeMap::from([("__name__".into(), "scalar".into())]);
        self.add(&name, &[value]);
    }

    fn add(&mut self, metric: &Metric<'_>, values: &[&Value<'_>]) {
        let Some(name) = metric.get("__name__").filter(|name| !name.is_empty()) else {
            self.bad(
                "a result without a metric name: ask for the bare series, not for an expression",
            );
            return;
        };
        if !(self.wanted)(name) {
            return;
        }
        let name = self.names.get(name);
        let labels = metric.iter().filter(|(label, _)| *label != "__name__");
        let pairs = labels.map(|(label, value)| (self.names.get(label), self.names.get(value)));
        let pairs: Vec<(Text, Text)> = pairs.collect();
        let family = self.families.entry(Text::clone(&name));
        let family = family.or_insert_with(|| Family::new(Text::clone(&name)));
        family.note_labels(&pairs);
        let labels = Labels::new(pairs);
        let sample = |value, timestamp| Sample {
            name: Text::clone(&name),
            labels: labels.clone(),
            value,
            timestamp,
        };
        if values.is_empty() {
            family.samples.push(sample(f64::NAN, None));
        }
        let mut unreadable = 0;
        for Value(time, value) in values {
            match (seconds(*time), line::number(value)) {
                (Some(time), Some(value)) => family.samples.push(sample(value, Some(time))),
                _ => unreadable += 1,
            }
        }
        self.result.samples += (values.len().max(1) - unreadable) as u64;
        if unreadable > 0 {
            self.bad(&format!("{unreadable} values that are no numbers"));
        }
    }

    fn metadata(&mut self, metadata: Metadata<'_>) {
        for (name, about) in metadata {
            if let Some(about) = about.into_iter().next().filter(|_| (self.wanted)(&name)) {
                let name = self.names.get(&name);
                let mut family = Family::new(Text::clone(&name));
                family.kind = Kind::parse(&about.kind);
                (family.help, family.unit) = (about.help, about.unit);
                self.families.insert(name, family);
            }
        }
    }

    /// The API's answers have no lines; their series are counted instead.
    fn bad(&mut self, why: &str) {
        let series: usize = self
            .families
            .values()
            .map(|family| family.samples.len())
            .sum();
        self.result.bad.push(series as u64 + 1, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(json: &str) -> String {
        match read_api(json.as_bytes(), &|_| true, &mut Names::default()) {
            Err(why) => why.to_string(),
            Ok(read) => {
                let sample = |s: &Sample| {
                    let time = s.timestamp.map_or("-".to_owned(), |time| time.to_string());
                    format!("{}{} {} {time}", s.name, s.labels, s.value)
                };
                let mut lines: Vec<_> = read.samples().map(sample).collect();
                lines.extend(
                    read.bad
                        .first
                        .iter()
                        .map(|bad| format!("{}: {}", bad.line, bad.why)),
                );
                lines.join("\n")
            }
        }
    }

    #[test]
    fn reads_the_answers_of_every_endpoint() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"a\"b"},"value":[1435781451.781,"1"]},
            {"metric":{"job":"x"},"value":[1,"2"]}]}}"#;
        assert_eq!(
            show(vector),
            "up{job=\"a\\\"b\"} 1 2015-07-01T20:10:51.781000Z\n\
             2: a result without a metric name: ask for the bare series, not for an expression"
        );
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"m"},"values":[[1,"NaN"],[2,"+Inf"],[3,"x"]],"histograms":[]}]}}"#;
        assert_eq!(
            show(matrix),
            "m NaN 1970-01-01T00:00:01.000000Z\nm inf 1970-01-01T00:00:02.000000Z\n\
             1: a native histogram, which is passed over\n3: 1 values that are no numbers"
        );
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"4"]}}"#;
        assert_eq!(show(scalar), "scalar 4 1970-01-01T00:00:01.000000Z");
        let series = r#"{"status":"success","data":[{"__name__":"up","job":"p"}]}"#;
        assert_eq!(show(series), "up{job=\"p\"} NaN -");
        let metadata =
            r#"{"status":"success","data":{"m":[{"type":"counter","help":"h","unit":""}]}}"#;
        let read = read_api(metadata.as_bytes(), &|_| true, &mut Names::default()).unwrap();
        assert_eq!(
            (read.families[0].kind, &*read.families[0].help),
            (Kind::Counter, "h")
        );
    }

    #[test]
    fn says_what_is_no_answer() {
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert_eq!(
            show(error),
            "the Prometheus API answered with an error: parse error"
        );
        assert!(show("[]").starts_with("not an answer of the Prometheus API"));
        assert!(show("{").starts_with("not an answer of the Prometheus API"));
    }
}
