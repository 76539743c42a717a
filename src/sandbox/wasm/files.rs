//! The files of a component: those of WASI, with books about what may be written, how much, and how many are open.
//!
//! Paths, links and permissions are kept by wasmtime-wasi, which opens everything beneath the directory it starts from.
//! Here is what it has no bounds for. Every byte by which a file becomes longer and every new name is paid for before it
//! is made, and nothing is paid back: what bounds a component is what it has written, not what is left of it. So it does
//! not matter in what order writes and removals that are on their way arrive.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize,
    Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::stream::Counted;

/// What a new name costs: the block that a file or a directory takes at least.
const NAME: u64 = 4_096;

/// What a tree may still take.
#[derive(Debug)]
pub(super) struct Room {
    left: AtomicU64,
    /// Bytes of a single file at the most.
    file_max: u64,
}

/// Why something is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The file would be too long.
    File,
    /// The tree has taken all that it may.
    Tree,
}

impl Room {
    pub(super) fn new(bytes: u64, file_max: u64) -> Arc<Room> {
        Arc::new(Room { left: AtomicU64::new(bytes), file_max })
    }

    fn take(&self, bytes: u64) -> Result<(), Full> {
        let rest = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).map(drop).map_err(|_| Full::Tree)
    }

    /// Pays for what makes this file so long.
    pub(super) fn lengthen(&self, file: &File, end: Option<u64>) -> Result<(), Full> {
        let end = end.ok_or(Full::File)?;
        if end > self.file_max {
            return Err(Full::File);
        }
        // A file that cannot be looked at pays as if it were empty.
        self.take(end.saturating_sub(length(file)))
    }
}

/// Bytes of a file now.
pub(super) fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |found| found.len())
}

/// A directory that the component finds.
pub(super) struct Tree {
    /// By this path.
    pub(super) path: String,
    pub(super) dir: Dir,
    pub(super) room: Arc<Room>,
}

/// The books of one invocation.
pub(super) struct Books {
    trees: Vec<Tree>,
    /// Which tree each open file or directory lies in.
    open: HashMap<u32, usize>,
    open_max: usize,
}

impl Books {
    pub(super) fn new(trees: Vec<Tree>, open_max: u32) -> Books {
        Books { trees, open: HashMap::new(), open_max: open_max as usize }
    }

    fn tree(&self, one: u32) -> usize {
        self.open.get(&one).copied().unwrap_or(usize::MAX)
    }

    fn room(&self, one: u32) -> Result<Arc<Room>, FsError> {
        let tree = self.trees.get(self.tree(one)).ok_or(ErrorCode::BadDescriptor)?;
        Ok(Arc::clone(&tree.room))
    }
}

/// What `wasi:filesystem` is linked with.
pub(super) struct Filed;

impl HasData for Filed {
    type Data<'a> = Files<'a>;
}

/// The files of one invocation, as long as it looks at them.
pub(super) struct Files<'a> {
    pub(super) wasi: WasiFilesystemCtxView<'a>,
    pub(super) books: &'a mut Books,
}

type Own = Resource<Descriptor>;

/// The same descriptor once more, for the next who asks for it.
fn again(one: &Own) -> Own {
    Resource::new_borrow(one.rep())
}

fn code(full: Full) -> FsError {
    match full {
        Full::File => ErrorCode::FileTooLarge.into(),
        Full::Tree => ErrorCode::InsufficientSpace.into(),
    }
}

impl Files<'_> {
    fn file(&self, one: &Own) -> Result<Arc<File>, FsError> {
        match self.wasi.table.get(one)? {
            Descriptor::File(file) => Ok(Arc::clone(&file.file)),
            Descriptor::Dir(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    fn lengthen(&self, one: &Own, end: Option<u64>) -> Result<(), FsError> {
        self.books.room(one.rep())?.lengthen(&*self.file(one)?, end).map_err(code)
    }

    /// Pays for a name, if one may be made there at all.
    fn name(&self, one: &Own) -> Result<(), FsError> {
        match self.wasi.table.get(one)? {
            Descriptor::Dir(dir) if dir.perms.write_not_permitted() => Err(ErrorCode::NotPermitted.into()),
            _ => self.books.room(one.rep())?.take(NAME).map_err(code),
        }
    }

    fn within(&self, one: &Own, other: &Own) -> Result<(), FsError> {
        // From tree to tree nothing is moved: each has its own bounds.
        if self.books.tree(one.rep()) == self.books.tree(other.rep()) {
            Ok(())
        } else {
            Err(ErrorCode::CrossDevice.into())
        }
    }

    fn enter(&mut self, one: &Own, tree: usize) {
        self.books.open.insert(one.rep(), tree);
    }

    fn counted(&mut self, one: &Own, from: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let (file, room) = (self.file(one)?, self.books.room(one.rep())?);
        let inner = match from {
            Some(at) => self.wasi.write_via_stream(again(one), at)?,
            None => self.wasi.append_via_stream(again(one))?,
        };
        let inner = self.wasi.table.delete(inner)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, file, room, from));
        Ok(self.wasi.table.push(counted)?)
    }
}

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Own, String)>> {
        let mut found = Vec::with_capacity(self.books.trees.len());
        for at in 0..self.books.trees.len() {
            if self.books.open.len() >= self.books.open_max {
                wasmtime::bail!("it reached its limit of open files");
            }
            let (dir, path) = (self.books.trees[at].dir.clone(), self.books.trees[at].path.clone());
            let one = self.wasi.table.push(Descriptor::Dir(dir))?;
            self.enter(&one, at);
            found.push((one, path));
        }
        Ok(found)
    }
}

impl Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.filesystem_error_code(error)
    }
}

impl HostDescriptor for Files<'_> {
    async fn open_at(
        &mut self,
        fd: Own,
        follow: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Own> {
        if self.books.open.len() >= self.books.open_max {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        match self.wasi.stat_at(again(&fd), follow, path.clone()).await {
            // Whoever opens a pipe or a device may wait for ever, with a thread of the host.
            Ok(found) if !is_plain(found.type_) => return Err(ErrorCode::NotPermitted.into()),
            Err(error) if how.contains(OpenFlags::CREATE) => match error.downcast().map_err(FsError::trap)? {
                ErrorCode::NoEntry => self.name(&fd)?,
                other => return Err(other.into()),
            },
            _ => {}
        }
        let tree = self.books.tree(fd.rep());
        let one = self.wasi.open_at(fd, follow, path, how, flags).await?;
        self.enter(&one, tree);
        Ok(one)
    }

    fn drop(&mut self, fd: Own) -> wasmtime::Result<()> {
        self.books.open.remove(&fd.rep());
        HostDescriptor::drop(&mut self.wasi, fd)
    }

    async fn set_size(&mut self, fd: Own, size: Filesize) -> FsResult<()> {
        self.lengthen(&fd, Some(size))?;
        self.wasi.set_size(fd, size).await
    }

    async fn write(&mut self, fd: Own, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.lengthen(&fd, offset.checked_add(bytes.len() as u64))?;
        self.wasi.write(fd, bytes, offset).await
    }

    fn write_via_stream(&mut self, fd: Own, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.counted(&fd, Some(offset))
    }

    fn append_via_stream(&mut self, fd: Own) -> FsResult<Resource<DynOutputStream>> {
        self.counted(&fd, None)
    }

    async fn create_directory_at(&mut self, fd: Own, path: String) -> FsResult<()> {
        self.name(&fd)?;
        self.wasi.create_directory_at(fd, path).await
    }

    async fn symlink_at(&mut self, fd: Own, to: String, path: String) -> FsResult<()> {
        self.name(&fd)?;
        self.wasi.symlink_at(fd, to, path).await
    }

    async fn link_at(&mut self, fd: Own, follow: PathFlags, old: String, other: Own, new: String) -> FsResult<()> {
        self.within(&fd, &other)?;
        self.name(&other)?;
        self.wasi.link_at(fd, follow, old, other, new).await
    }

    async fn rename_at(&mut self, fd: Own, old: String, other: Own, new: String) -> FsResult<()> {
        self.within(&fd, &other)?;
        self.wasi.rename_at(fd, old, other, new).await
    }

    // What follows is as WASI has it.

    async fn advise(&mut self, fd: Own, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.wasi.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Own) -> FsResult<()> {
        self.wasi.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Own) -> FsResult<DescriptorFlags> {
        self.wasi.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Own) -> FsResult<DescriptorType> {
        self.wasi.get_type(fd).await
    }

    async fn set_times(&mut self, fd: Own, accessed: NewTimestamp, changed: NewTimestamp) -> FsResult<()> {
        self.wasi.set_times(fd, accessed, changed).await
    }

    async fn read(&mut self, fd: Own, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.wasi.read(fd, length, offset).await
    }

    async fn read_directory(&mut self, fd: Own) -> FsResult<Resource<DirectoryEntryStream>> {
        self.wasi.read_directory(fd).await
    }

    async fn sync(&mut self, fd: Own) -> FsResult<()> {
        self.wasi.sync(fd).await
    }

    async fn stat(&mut self, fd: Own) -> FsResult<DescriptorStat> {
        self.wasi.stat(fd).await
    }

    async fn stat_at(&mut self, fd: Own, follow: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.wasi.stat_at(fd, follow, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Own,
        follow: PathFlags,
        path: String,
        accessed: NewTimestamp,
        changed: NewTimestamp,
    ) -> FsResult<()> {
        self.wasi.set_times_at(fd, follow, path, accessed, changed).await
    }

    async fn readlink_at(&mut self, fd: Own, path: String) -> FsResult<String> {
        self.wasi.readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Own, path: String) -> FsResult<()> {
        self.wasi.remove_directory_at(fd, path).await
    }

    async fn unlink_file_at(&mut self, fd: Own, path: String) -> FsResult<()> {
        self.wasi.unlink_file_at(fd, path).await
    }

    fn read_via_stream(&mut self, fd: Own, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.wasi.read_via_stream(fd, offset)
    }

    async fn is_same_object(&mut self, one: Own, other: Own) -> wasmtime::Result<bool> {
        self.wasi.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Own) -> FsResult<MetadataHashValue> {
        self.wasi.metadata_hash(fd).await
    }

    async fn metadata_hash_at(&mut self, fd: Own, follow: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        self.wasi.metadata_hash_at(fd, follow, path).await
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.wasi.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.wasi, stream)
    }
}

/// What can be opened without waiting for somebody. A link that is not followed cannot be opened anyway.
fn is_plain(kind: DescriptorType) -> bool {
    matches!(kind, DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink)
}
