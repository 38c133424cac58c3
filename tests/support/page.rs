//! A page in a real headless Chromium.

use std::{
    fs,
    io::ErrorKind,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// What a test fails with where the browser is missing.
const MISSING: &str = "no Chromium: scripts/test installs Debian's package chromium-headless-shell";

const BROWSERS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

/// A page on the disk.
pub(crate) struct Page {
    home: TempDir,
}

/// What became of it in the browser.
pub(crate) struct Shown {
    /// The document as the script left it.
    pub(crate) dom: String,
    /// What the console said.
    pub(crate) complaints: Vec<String>,
}

impl Page {
    pub(crate) fn new(html: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("report.html"), html).unwrap();
        Self { home }
    }

    /// Opens it at `hash`.
    pub(crate) fn show(&self, hash: &str) -> Shown {
        let file = self.home.path().join("report.html");
        let url = format!("file://{}{hash}", file.display());
        let profile = tempfile::tempdir().unwrap();
        let profile = format!("--user-data-dir={}", profile.path().display());
        for browser in BROWSERS {
            let arguments = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                &profile,
                "--dump-dom",
                &url,
            ];
            let output = Command::new(browser)
                .args(arguments)
                .stdin(Stdio::null())
                .output();
            let output = match output {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                output => output.unwrap(),
            };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            return Shown {
                dom: String::from_utf8(output.stdout).unwrap(),
                complaints: said
                    .lines()
                    .filter(|line| line.contains("CONSOLE"))
                    .map(str::to_owned)
                    .collect(),
            };
        }
        panic!("{MISSING}");
    }
}

/// Opens `html` at `hash`.
pub(crate) fn open(html: &str, hash: &str) -> Shown {
    Page::new(html).show(hash)
}

/// The text of the block of data called `id`.
pub(crate) fn block<'a>(html: &'a str, id: &str) -> &'a str {
    let start = format!("<script type=\"application/json\" id=\"{id}\">");
    let (_, rest) = html.split_once(&start).expect(id);
    rest.split_once("</script>").expect(id).0
}

/// The text of the paragraph called `id`.
pub(crate) fn text_of<'a>(dom: &'a str, id: &str) -> &'a str {
    let (_, rest) = dom.split_once(&format!("id=\"{id}\"")).expect(id);
    let (_, rest) = rest.split_once('>').expect(id);
    rest.split_once('<').expect(id).0
}
