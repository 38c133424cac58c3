//! Reading at an offset, from several threads at once.

use std::{fs::File, io};

/// A file that is read at offsets.
#[derive(Debug)]
pub(super) struct Positioned(#[cfg(unix)] File, #[cfg(not(unix))] portable::Positioned);

impl Positioned {
    pub(super) fn new(file: File) -> Self {
        #[cfg(unix)]
        return Self(file);
        #[cfg(not(unix))]
        return Self(portable::Positioned::new(file));
    }

    /// Reads up to `buffer.len()` bytes from `offset` on; 0 at the end of the file.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&self.0, buffer, offset);
        #[cfg(not(unix))]
        return self.0.read_at(buffer, offset);
    }
}

/// For systems without `pread`: the threads take turns.
#[cfg(any(not(unix), test))]
mod portable {
    use std::{
        fs::File,
        io::{self, Read, Seek, SeekFrom},
        sync::Mutex,
    };

    #[derive(Debug)]
    pub(super) struct Positioned(Mutex<File>);

    impl Positioned {
        pub(super) fn new(file: File) -> Self {
            Self(Mutex::new(file))
        }

        pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let mut file = crate::source::lock(&self.0);
            file.seek(SeekFrom::Start(offset))?;
            file.read(buffer)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn both_ways_read_the_same() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let portable = portable::Positioned::new(file.try_clone().unwrap());
        let here = Positioned::new(file);
        for offset in [3, 0, 8, 10, 99] {
            let (mut a, mut b) = ([0; 4], [0; 4]);
            let n = here.read_at(&mut a, offset).unwrap();
            assert_eq!(n, portable.read_at(&mut b, offset).unwrap());
            assert_eq!(a[..n], b[..n]);
        }
    }
}
