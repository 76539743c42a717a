//! Reads what a GGUF file says of itself, and refuses what would make the code behind it panic or fill the memory.
//!
//! candle bounds lengths by the size of the file, but divides by the alignment and by the number of heads, and makes
//! room for as many layers as the file claims. The hash of a model's file is checked before it is read; this is for
//! files whose hash somebody wrote down who should not have.

use std::io::{Read, Seek, SeekFrom};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Result, bail};

/// What a GGUF file begins with.
const MAGIC: &[u8; 4] = b"GGUF";

/// The key of what candle divides by while it still reads.
const ALIGNMENT: &[u8] = b"general.alignment";

/// The type of an array among those of values.
const ARRAY: u32 = 9;

/// The type of a string among those of values.
const STRING: u32 = 8;

/// Arrays in arrays at the most; candle takes no more either.
const NESTED_MOST: u32 = 4;

/// The widest model that is read: eight times what runs well without a GPU.
const WIDTH_MOST: u32 = 65_536;

/// Reads header and metadata.
pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<Content> {
    let begin = file.stream_position()?;
    let aligned = Walk { file: &mut *file, wide: true }.finds_alignment();
    if !aligned? {
        bail!("its alignment is 0");
    }
    file.seek(SeekFrom::Start(begin))?;
    let content = Content::read(file)?;
    check(&content)?;
    Ok(content)
}

/// Goes over the metadata without keeping any of it.
struct Walk<R> {
    file: R,
    /// Whether lengths have eight bytes; the first version of the format had four.
    wide: bool,
}

impl<R: Read + Seek> Walk<R> {
    /// Whether the alignment is one that can be divided by. What else is wrong is for candle to say.
    fn finds_alignment(mut self) -> Result<bool> {
        let (magic, version) = (self.bytes::<4>()?, self.number()?);
        if &magic != MAGIC {
            bail!("it is no GGUF file");
        }
        self.wide = version != 1;
        let (_tensors, keys) = (self.length()?, self.length()?);
        for _ in 0..keys {
            let name = self.length()?;
            let alignment = name == ALIGNMENT.len() as u64 && {
                let mut text = [0; ALIGNMENT.len()];
                self.file.read_exact(&mut text)?;
                text == ALIGNMENT
            };
            if name != ALIGNMENT.len() as u64 {
                self.skip(name)?;
            }
            let kind = self.number()?;
            if alignment && let Some(size @ 1..=4) = size(kind) {
                let mut value = [0; 4];
                let Some(value) = value.get_mut(..usize::try_from(size).unwrap_or_default()) else { return Ok(false) };
                self.file.read_exact(value)?;
                if value.iter().all(|byte| *byte == 0) {
                    return Ok(false);
                }
            } else {
                self.value(kind, 0)?;
            }
        }
        Ok(true)
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<()> {
        match (kind, size(kind)) {
            (_, Some(size)) => self.skip(size),
            (STRING, None) => {
                let length = self.length()?;
                self.skip(length)
            }
            (ARRAY, None) if depth < NESTED_MOST => {
                let (kind, count) = (self.number()?, self.length()?);
                if let Some(size) = size(kind) {
                    return self.skip(size.saturating_mul(count));
                }
                for _ in 0..count {
                    self.value(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => bail!("a value has a type that is not known"),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn length(&mut self) -> Result<u64> {
        if self.wide { Ok(u64::from_le_bytes(self.bytes()?)) } else { self.number().map(u64::from) }
    }

    /// Goes on by so many bytes. Past the end the next read fails, so no count in the file makes this go on for ever.
    fn skip(&mut self, bytes: u64) -> Result<()> {
        match i64::try_from(bytes) {
            Ok(bytes) => Ok(self.file.seek_relative(bytes)?),
            Err(_) => bail!("a value is longer than any file"),
        }
    }
}

/// Bytes of a value of this type, if all of them have as many.
fn size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Whether what the model's code takes from the metadata fits together.
fn check(content: &Content) -> Result<()> {
    if let Some((name, _)) = content.tensor_infos.iter().find(|(_, tensor)| tensor.shape.dims().contains(&0)) {
        // candle makes a slice of its bytes, and of none that is a pointer to nowhere.
        bail!("its tensor {name} has no elements");
    }
    let number = |key: &str| content.metadata.get(key).and_then(|value: &Value| value.to_u32().ok());
    let tensors = u32::try_from(content.tensor_infos.len()).unwrap_or(u32::MAX);
    let heads = number("llama.attention.head_count").unwrap_or(1);
    let shared = number("llama.attention.head_count_kv").unwrap_or(heads);
    let width = number("llama.embedding_length").unwrap_or(heads);
    if heads == 0 || shared == 0 || heads % shared != 0 || width % heads != 0 || width > WIDTH_MOST {
        bail!("{heads} heads, {shared} of them with keys, and a width of {width} do not fit together");
    }
    let turned = number("llama.rope.dimension_count").unwrap_or(2);
    if !(2..=WIDTH_MOST).contains(&turned) || turned % 2 != 0 {
        bail!("{turned} dimensions cannot be rotated");
    }
    for key in ["llama.block_count", "llama.expert_count", "llama.expert_used_count"] {
        if let Some(claimed) = number(key).filter(|claimed| *claimed > tensors) {
            bail!("{key} is {claimed}, but there are {tensors} tensors");
        }
    }
    for (name, tensor) in &content.tensor_infos {
        let sizes = tensor.shape.dims().iter();
        if sizes.copied().try_fold(1usize, |all, one| all.checked_mul(one)).is_none() {
            bail!("the tensor {name} has more elements than can be counted");
        }
    }
    Ok(())
}
