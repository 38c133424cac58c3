//! `satrail completions` and `satrail man`: what is derived from the command line's own description.

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{
    command,
    config::Error,
    output::{Destination, deliver},
};

use super::Cli;

/// Writes a completion script.
pub fn completions(shell: Shell) -> Result<command::Verdict, command::Error> {
    let mut script = Vec::new();
    // clap_complete panics if its writer fails, as a closed pipe does; a Vec does not.
    clap_complete::generate(shell, &mut Cli::command(), "satrail", &mut script);
    print(&script)
}

/// Writes the manual page of satrail, or of one subcommand.
pub fn man(subcommand: Option<&str>) -> Result<command::Verdict, command::Error> {
    let mut root = Cli::command();
    root.build();
    let page = match subcommand {
        None => Man::new(root),
        Some(name) => {
            let Some(found) = root.find_subcommand(name) else {
                let known: Vec<_> = root
                    .get_subcommands()
                    .map(clap::Command::get_name)
                    .collect();
                return Err(Error::unknown("subcommand", name, &known).into());
            };
            // `satrail-scan`, as man pages of subcommands are called.
            Man::new(found.clone()).title(format!("satrail-{name}"))
        }
    };
    let mut text = Vec::new();
    page.render(&mut text).map_err(failed)?;
    print(&text)
}

fn print(text: &[u8]) -> Result<command::Verdict, command::Error> {
    deliver(&Destination::Stdout, |out| out.write_all(text)).map_err(failed)?;
    Ok(command::Verdict::clean())
}

fn failed(why: std::io::Error) -> command::Error {
    command::Error::Output {
        to: "standard output".to_owned(),
        why,
    }
}
