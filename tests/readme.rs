//! The commands of the README and of the pages that show how satrail is used, run as they stand.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

/// A fenced block: its language, the line above it, its lines.
struct Block {
    language: String,
    above: String,
    lines: Vec<String>,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut above = "";
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            blocks.push(Block {
                language: language.to_owned(),
                above: above.to_owned(),
                lines: inside.map(str::to_owned).collect(),
            });
        }
        above = line;
    }
    blocks
}

/// Commands, one a line; a line that ends in `|` or `\` goes on.
fn commands(block: &Block) -> Vec<String> {
    let mut commands = Vec::new();
    let mut command = String::new();
    for line in &block.lines {
        command += line;
        if line.ends_with('|') || line.ends_with('\\') {
            command.push('\n');
        } else {
            commands.push(std::mem::take(&mut command));
        }
    }
    commands
}

/// In a directory with nothing in it but the sample and the `satrail.toml` that docs/tuning.md shows.
#[test]
fn the_commands_of_the_documentation_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    symlink(root.join("data"), home.path().join("data")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_satrail")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let pages = ["README.md", "docs/usage.md", "docs/tuning.md"];
    let read = |page: &&str| blocks(&fs::read_to_string(root.join(page)).unwrap());
    let blocks: Vec<Block> = pages.iter().flat_map(read).collect();
    let toml = blocks.iter().find(|block| block.language == "toml");
    let toml = toml
        .expect("a satrail.toml in docs/tuning.md")
        .lines
        .join("\n");
    fs::write(home.path().join("satrail.toml"), toml).unwrap();

    let mut ran = 0;
    let shell = blocks.iter().filter(|block| block.language == "sh");
    for command in shell
        .filter(|block| !block.above.starts_with("<!-- not run here: "))
        .filter(|block| cfg!(feature = "query") || block.above != "<!-- with the feature query -->")
        .flat_map(commands)
    {
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-c", &command])
            .current_dir(home.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // 1: findings, which the sample has.
        let fine = matches!(output.status.code(), Some(0 | 1));
        assert!(fine && said.is_empty(), "{command}\n{said}");
        // `alerts` writes files into a directory and says what it left out.
        let silent = command.contains("--output") && !command.contains("alerts");
        assert_eq!(output.stdout.is_empty(), silent, "{command}");
        ran += 1;
    }
    assert!(ran >= 15, "only {ran} commands were run");
}
