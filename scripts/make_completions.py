#!/usr/bin/env python3
"""Completions of pipersr for zsh and fish, from the program's own help texts: what --help says is what they know.

usage: make_completions.py PROGRAM ZSH-FILE FISH-FILE
"""

import dataclasses
import re
import subprocess
import sys

OPTION = re.compile(
    r"^ {2,6}(?:-(?P<short>\w+), )?--(?P<name>[a-z0-9-]+)(?: (?P<value>[A-Z]\S*))?(?: {2,}(?P<text>\S.*))?$"
)
SHORT_OPTION = re.compile(r"^ {2,6}-(?P<short>\w+)(?: (?P<value>[A-Z]\S*))? {2,}(?P<text>\S.*)$")
# "pipersr word" or "pipersr word word" in a usage line, and what is said of it behind two spaces.
COMMAND = re.compile(r"^(?:Usage:| {6}) pipersr (?P<words>[a-z][a-z-]*(?: [a-z][a-z-]*)?)(?=\s|$)(?P<rest>.*)$")


@dataclasses.dataclass
class Option:
    short: str | None
    name: str | None
    value: str | None
    text: str

    @property
    def takes_file(self):
        return self.value is not None and bool(re.search(r"FILE|OUTPUT|DIR|MODEL|PATH|INPUT|FOLDER", self.value))


def help_of(program, words):
    command = [program, *words, "--help"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def options_of(lines):
    found = []
    for at, line in enumerate(lines):
        match = OPTION.match(line) or SHORT_OPTION.match(line)
        if not match:
            continue
        parts = match.groupdict()
        text = parts.get("text") or (lines[at + 1] if at + 1 < len(lines) else "")
        found.append(Option(parts["short"], parts.get("name"), parts["value"], text.strip()))
    return found


def commands_of(program, before=()):
    """{words: what the help says of them}, sub-commands of sub-commands too."""
    found = {}
    for line in help_of(program, before):
        match = COMMAND.match(line)
        if not match:
            continue
        words = tuple(match["words"].split())
        text = re.split(r" {2,}", match["rest"])[-1].strip() if re.search(r" {2,}\S", match["rest"]) else ""
        if words[: len(before)] == before and len(words) > len(before):
            found.setdefault(words[: len(before) + 1], text)
    for words in list(found):
        # A command whose own help names further words has sub-commands.
        if len(words) == 1:
            found.update({deeper: text for deeper, text in commands_of(program, words).items() if len(deeper) == 2})
    return found


def zsh_quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_option(option):
    text = option.text.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = ""
    if option.value:
        action = "_files" if option.takes_file else ""
        value = f":{option.value.lower().replace(':', ' ')}:{action}"
    names = [f"-{option.short}"] if option.short else []
    names += [f"--{option.name}"] if option.name else []
    return [zsh_quote(f"{name}[{text}]{value}") for name in names]


def zsh(commands, options):
    top = [words for words in commands if len(words) == 1]
    lines = ["#compdef pipersr", "# Made from pipersr's help texts.", "", "_pipersr() {"]
    lines += ["    local -a commands", "    local key=upscale", "    commands=("]
    lines += [f"        {zsh_quote(words[0] + ':' + commands[words].replace(':', ' '))}" for words in top]
    lines += ["    )", "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then"]
    lines += ["        _describe command commands", "        return", "    fi"]
    lines += ["    [[ $words[2] == -* ]] || key=$words[2]", "    case $key in"]
    for parent in top:
        below = [words for words in commands if len(words) == 2 and words[0] == parent[0]]
        if below:
            names = " ".join(words[1] for words in below)
            lines += [f"    {parent[0]})", f"        if (( CURRENT == 3 )); then compadd {names}; return; fi"]
            lines += [f'        key="{parent[0]} $words[3]" ;;']
    lines += ["    esac", "    case $key in"]
    for words, known in options.items():
        lines += [f"    {zsh_quote(' '.join(words))})", "        _arguments -s \\"]
        lines += [f"            {spec} \\" for option in known for spec in zsh_option(option)]
        lines += ["            '*:file:_files' ;;"]
    lines += ["    esac", "}", "", '_pipersr "$@"', ""]
    return "\n".join(lines)


def fish_quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(commands, options):
    lines = ["# Made from pipersr's help texts."]
    top = [words for words in commands if len(words) == 1]
    for words in top:
        lines.append(f"complete -c pipersr -n __fish_use_subcommand -a {words[0]} -d {fish_quote(commands[words])}")
        below = [deeper for deeper in commands if len(deeper) == 2 and deeper[0] == words[0]]
        names = " ".join(deeper[1] for deeper in below)
        for deeper in below:
            seen = "__fish_seen_subcommand_from"
            condition = fish_quote(f"{seen} {words[0]}; and not {seen} {names}")
            lines.append(f"complete -c pipersr -f -n {condition} -a {deeper[1]} -d {fish_quote(commands[deeper])}")
    for words, known in options.items():
        condition = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in words)
        if words == ("upscale",):
            others = " ".join(name for (name, *rest) in top if name != "upscale")
            condition = f"not __fish_seen_subcommand_from {others}"
        for option in known:
            parts = ["complete -c pipersr -n", fish_quote(condition)]
            if option.short:  # fish calls words behind one dash old
                parts.append(f"-{'s' if len(option.short) == 1 else 'o'} {option.short}")
            parts += [f"-l {option.name}"] if option.name else []
            parts += [] if not option.value else ["-r"] if option.takes_file else ["-x"]
            lines.append(" ".join([*parts, "-d", fish_quote(option.text)]))
    return "\n".join([*lines, ""])


def main():
    program, zsh_path, fish_path = sys.argv[1:]
    commands = commands_of(program)
    parents = {words[0] for words in commands if len(words) == 2}
    leaves = [words for words in commands if words[0] not in parents or len(words) == 2]
    options = {words: options_of(help_of(program, words)) for words in leaves}
    for path, text in ((zsh_path, zsh(commands, options)), (fish_path, fish(commands, options))):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
