//! How much there may be of everything. Policies are written by hand, so the limits are generous for people and still
//! keep what a hostile text can cost at milliseconds.

/// Bytes of one file of policies. The longest of our own is a hundredth of it.
pub(super) const SOURCE_BYTES_MAX: usize = 256 << 10;

/// Policies in a book: a thousand tools with ten each.
pub(super) const POLICIES_MAX: usize = 10_000;

/// Policies that apply to one tool. Each costs a decision about 0.7 us, so these cost a tenth of a millisecond.
pub(super) const SLICE_MAX: usize = 128;

/// Brackets, ifs and signs of sums within each other. The parser goes ten functions deep for each, and a sum of 64 was found
/// to be more than a thread's stack without optimisation.
pub(super) const BRACKETS_MAX: usize = 12;

/// Operators, dots and brackets in one policy: how deep its tree may become at the most. Cedar converts and frees trees
/// by recursion, and a thread has two megabytes of stack.
pub(super) const OPERATORS_MAX: usize = 96;

/// Bytes of an id or of a reason.
pub(super) const WORDS_BYTES_MAX: usize = 512;

/// Problems that are reported at once; who has more has the wrong file.
pub(super) const PROBLEMS_MAX: usize = 100;

/// Levels of records and lists in the arguments of a tool that policies may name.
pub(super) const SHAPE_DEPTH_MAX: usize = 8;

/// Arguments of a tool that policies may name, those in records counted each.
pub(super) const FIELDS_MAX: usize = 512;

/// Elements of one list that a decision looks at.
pub(super) const ITEMS_MAX: usize = 1_000;

/// Bytes of one text that a decision looks at. A pattern is compared with it byte by byte.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;

/// Roles of a caller, scopes it holds, and words in any other set that is compared.
pub(super) const WORDS_MAX: usize = 256;

/// Calls that are tried before a tool is hidden from a list: each takes as long as a decision, so three milliseconds.
pub(super) const CASES_MAX: usize = 1_024;

/// Values that are told apart in one list argument: it has as many subsets as two to the power of it.
pub(super) const SUBSET_MAX: usize = 6;

/// States of the patterns over one text argument that are visited when texts are looked for that match each
/// combination of them.
pub(super) const TEXT_STATES_MAX: usize = 4_096;

/// Characters of all patterns over one text argument; a state has one bit for each.
pub(super) const PATTERN_CHARS_MAX: usize = 1_024;
