//! Reads the weights of a GGUF file into memory in a form that is fast here.
//!
//! candle has vector instructions for some of the block formats only. Weights in one of the others are written anew with
//! 8 bits a value: the blocks have the same 32 values, so nothing is lost that four or five bits could hold, and a token
//! is read in less than half the time, for one and a half times the memory.

use std::io::{Cursor, Read, Seek};

use candle_core::Device;
use candle_core::quantized::gguf_file::Content;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_transformers::models::quantized_llama::ModelWeights;

/// Formats without vector instructions.
const SLOW: [GgmlDType; 3] = [GgmlDType::Q4_1, GgmlDType::Q5_0, GgmlDType::Q5_1];

/// Reads the model.
pub(super) fn read(mut content: Content, file: &mut (impl Read + Seek)) -> candle_core::Result<ModelWeights> {
    let device = Device::Cpu;
    if !content.tensor_infos.values().any(|tensor| SLOW.contains(&tensor.ggml_dtype)) {
        return ModelWeights::from_gguf(content, file, &device);
    }
    let mut data = Vec::new();
    let mut infos = std::mem::take(&mut content.tensor_infos);
    for info in infos.values_mut() {
        let mut tensor = info.read(file, content.tensor_data_offset, &device)?;
        if SLOW.contains(&tensor.dtype()) {
            tensor = QTensor::quantize(&tensor.dequantize(&device)?, GgmlDType::Q8_0)?;
        }
        info.ggml_dtype = tensor.dtype();
        info.offset = data.len() as u64;
        data.extend_from_slice(&tensor.data()?);
    }
    content.tensor_infos = infos;
    content.tensor_data_offset = 0;
    ModelWeights::from_gguf(content, &mut Cursor::new(data), &device)
}
