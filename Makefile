# The commands of the house. Each does its own set-up; Rust, Python 3 with pip, and make are all it needs.
#
#   make run     build, fetch the default models, start the host, give it a task, show the answer, stay up
#   make test    everything that must hold: formatting, lints, all tests with real models, documentation
#   make check   the quick part of it, for while you work
#   make bench   the figures of docs/benchmarks.md
#   make soak    what takes long: 10,000 random schedules of the supervisor, the kills, the seeds, a million requests that
#                must not go astray, the fuzz targets, ten minutes of overload, 100,000 actors and 100,000 agents, and the
#                kills of tools
#   make privacy the million requests of it alone (REQUESTS=1000000, SEED=...)
#   make schedules  the 10,000 random schedules of it alone (CASES=10000), two minutes
#   make kills   the thousand kills of it alone (ROUNDS=1000, SEED=...), half an hour
#   make fuzz    every fuzz target, guided by coverage, for a minute each (SECONDS=...); cargo-fuzz is installed first
#   make clients the inspector of MCP and the Python SDKs of MCP and OpenAI against a host, alone
#   make seeds   the thousand seeds of it alone (SEEDS=1000): the whole host in simulated time (docs/testing.md)

# The model library chooses its SIMD kernels when it is compiled, not when it runs: the default model writes 31 tokens a
# second with portable flags and 69 with AVX2 on the same two cores. So the flags follow the processor that builds, and
# a RUSTFLAGS of your own is left alone. What is built so does not run on a processor without AVX2 (it says so and
# ends); for a binary to give away, build with `RUSTFLAGS=`. docs/decisions/0003-cpu-flags.md has the reasons.
ifeq ($(origin RUSTFLAGS),undefined)
ifeq ($(shell uname -m),x86_64)
ifeq ($(shell for f in avx2 fma bmi1 bmi2 f16c movbe abm; do grep -qw $$f /proc/cpuinfo 2>/dev/null || echo lacks; done),)
export RUSTFLAGS := -C target-cpu=x86-64-v3
endif
endif
endif

# Only what is in Cargo.lock is built, here and on every other machine.
CARGO ?= cargo
LOCKED := --locked

.PHONY: run test check bench soak schedules privacy seeds kills clients fuzz parts lint doc

run:
	$(CARGO) build $(LOCKED) --release
	scripts/run.sh

test: parts lint
	$(CARGO) test $(LOCKED) --no-fail-fast
	$(MAKE) --no-print-directory doc

check: lint
	$(CARGO) test $(LOCKED) --test tidy

bench: parts
	$(CARGO) bench $(LOCKED)

soak: schedules kills seeds privacy fuzz
	SYZYGY_SOAK_SECONDS=600 $(CARGO) bench $(LOCKED) --bench soak
	$(CARGO) bench $(LOCKED) --bench agents
	SYZYGY_JAIL_KILLS=1000 SYZYGY_CONTAINER_KILLS=1000 $(CARGO) test $(LOCKED) --test it -- sandbox::kills \
		sandbox::components::kills sandbox::containers::kills --nocapture

# Of the plan against its reference, of chaos, and of the real supervisor: so many each.
schedules:
	SYZYGY_CASES=$(or $(CASES),10000) $(CARGO) test $(LOCKED) --lib supervision::

# Optimised, since a thousand hosts are simulated.
seeds:
	SYZYGY_SEEDS=$(or $(SEEDS),1000) $(CARGO) test $(LOCKED) --release --test it simulation::

# Of a million generated requests none may reach a place that it may not reach.
privacy:
	SYZYGY_PRIVACY_REQUESTS=$(or $(REQUESTS),1000000) SYZYGY_PRIVACY_SEED=$(or $(SEED),20261126) \
		$(CARGO) test $(LOCKED) --release --lib illegal:: -- --nocapture

# The debug program, so that its own checks are on while it is killed.
kills:
	SYZYGY_CRASH_ROUNDS=$(or $(ROUNDS),1000) SYZYGY_CRASH_SEED=$(or $(SEED),20261122) \
		$(CARGO) test $(LOCKED) --test it -- durability::crash --nocapture

# Programs of others, in the versions that scripts/clients pins.
clients: parts
	$(CARGO) test $(LOCKED) --test it -- clients:: --nocapture

# Without a sanitizer, since there is no unsafe code here, and so without the compiler of the night. What is found new
# stays below target/, so that the corpus holds what somebody chose.
fuzz:
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@set -e; for target in $(basename $(notdir $(wildcard fuzz/targets/*.rs))); do \
		mkdir -p target/fuzz/$$target; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $$target target/fuzz/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(or $(SECONDS),60) -max_len=65536 -timeout=10; \
	done

# The models and the server that the tests speak to; what cannot be fetched is named.
parts:
	scripts/test-parts.sh

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy $(LOCKED) --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(LOCKED) --no-deps
