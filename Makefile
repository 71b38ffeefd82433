# The few commands that everybody needs. Meson and ninja do the work; nothing is decided here.
#
#   make            build the program: build/pipersr
#   make demo       upscale a photo and a clip from samples/ into demo/
#   make test       all tests; the last line says how many passed and failed
#   make train      train the default model (PHOTOS=, MINUTES=; docs/training.md)
#   make install    install program, library, header, man page (PREFIX=/usr/local, DESTDIR=)
#   make help       the rest

BUILD  ?= build
PREFIX ?= /usr/local
# The distribution's Python has the modules that scripts/setup.sh installs; one found on PATH may not.
PYTHON ?= $(shell test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)
export PYTHON
# make train: photos, the corpus made of them, the run, and how long it may take.
PHOTOS  ?= ../shared/train/hr
CORPUS  ?= build-training/corpus
RUN     ?= build-training/run
MINUTES ?= 600
# What gave most for the same number of steps (docs/training.md); a run that goes on keeps its own.
TRAIN_OPTIONS ?= --optimiser soap --share synthetic=0.1 --evenness 0 --candidates 2
C_ROOMS := $(wildcard include src media cli server program plugins tests examples bench training)

.PHONY: all setup build demo test bench bench-peers train install uninstall format check sanitizers fuzz ci clean help
all: build

help:
	@echo 'make            build the program: $(BUILD)/pipersr'
	@echo 'make demo       upscale a photo and a clip from samples/ into demo/'
	@echo 'make test       unit, end-to-end and source checks; "N passed, N failed" at the end'
	@echo 'make bench      speed on this machine, quality where ../shared/eval is there'
	@echo 'make bench-peers speed in turns with other runtimes, which the first run downloads (7 GB)'
	@echo 'make train      the default model from PHOTOS=$(PHOTOS) in MINUTES=$(MINUTES); goes on where it was stopped'
	@echo 'make install    to PREFIX=$(PREFIX); uninstall takes it away again'
	@echo 'make format     clang-format on every C file'
	@echo 'make check      only the checks of the source: include law, symbols, names, paths'
	@echo 'make sanitizers unit and bad-input tests under ASan, UBSan and TSan'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS=20'
	@echo 'make ci         all of it, as .ci/run does'
	@echo 'make clean      remove $(BUILD), build-ci, build-gcc and demo (not build-training)'

setup:
	@scripts/setup.sh

$(BUILD)/build.ninja: | setup
	@meson setup $(BUILD) --prefix '$(PREFIX)'

build: setup $(BUILD)/build.ninja
	@ninja -C $(BUILD)

demo: build
	@PIPERSR='$(BUILD)/pipersr' scripts/demo.sh

test: build
	@scripts/setup.sh --tests
	@$(PYTHON) scripts/run_tests.py --build '$(BUILD)'

check: build
	@$(PYTHON) scripts/run_tests.py --build '$(BUILD)' --only checks

bench: build
	@PIPERSR='$(BUILD)/pipersr' scripts/bench.sh

bench-peers: build
	@PIPERSR='$(BUILD)/pipersr' bench/peers/run.sh $(PEERS_OPTIONS)

# A run that was stopped goes on; delete RUN to begin anew.
train: $(CORPUS)/pictures.json
	@$(PYTHON) training/train.py '$(CORPUS)' --out '$(RUN)' --minutes '$(MINUTES)' \
	    $$(test -f '$(RUN)/checkpoint.pt' && echo --resume '$(RUN)/checkpoint.pt' || echo $(TRAIN_OPTIONS))

$(CORPUS)/pictures.json:
	@$(PYTHON) -c 'import torch' || { echo 'PyTorch is absent: scripts/setup.sh --training' >&2; exit 1; }
	@$(PYTHON) training/prepare.py --out '$(CORPUS)' --photos '$(PHOTOS)' --synthetic 280 --jobs 2

install: build
	@meson configure $(BUILD) --prefix '$(PREFIX)'
	@meson install -C $(BUILD)
	@test -n '$(DESTDIR)' || test "$$(id -u)" -ne 0 || ldconfig

uninstall:
	@ninja -C $(BUILD) uninstall

format: setup
	@find $(C_ROOMS) -name '*.[ch]' -exec clang-format -i {} +

sanitizers:
	@.ci/run address threads

fuzz:
	@.ci/run fuzz

ci:
	@.ci/run

clean:
	rm -rf '$(BUILD)' build-ci build-gcc demo
