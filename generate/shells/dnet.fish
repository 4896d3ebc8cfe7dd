# fish completion for dnet. Made by scripts/generate, from generate/shells/dnet.fish.
#
# It starts no program: commands and options stand here, names in a file beside the store.
# Functions with -S work on the variables of __dnet_complete.

# What there is at `path`: the `commands` of a group; of a command the `options`, each as
# NAME[,NAME][=WORDS][+], and the `arguments`, each as WORDS[+]. With a + it may be repeated. WORDS
# are alternatives with | between them, one in <> any name of that kind; - is nothing known. What
# follows a tabulator describes it.
function __dnet_grammar -S
    set commands
    set options
    set arguments
    switch "$path"
@GRAMMAR@
        case '*'
            return 1
    end
    return 0
end

function __dnet_complete
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    set -l path ''
    set -l commands
    set -l options
    set -l arguments
    set -l given
    set -l given_arguments
    set -l awaited ''
    set -l only_arguments ''
    set -l folder /var/lib/dnet
    set -q DNET_STATE_DIR; and test -n "$DNET_STATE_DIR"; and set folder $DNET_STATE_DIR
    __dnet_read; or return

    set -l names
    set -l words
    set -l takes_value
    set -l lead ''
    if test -n "$awaited"
        __dnet_find_option $awaited
        __dnet_offer $words
    else if test -z "$only_arguments"; and string match -q -- '--*=*' $word
        set lead (string replace -r '=.*' = -- $word)
        set word (string replace -r '^[^=]*=' '' -- $word)
        __dnet_find_option (string trim -r -c = -- $lead); and __dnet_offer $words
    else if test -z "$only_arguments"; and string match -q -- '-*' $word
        __dnet_offer_options
    else if set -q commands[1]
        printf '%s\n' $commands
    else if __dnet_find_argument
        __dnet_offer $words
    else
        __dnet_offer_options
    end
end

# Read `before`: where it leads, what is `given`, and which option's value is `awaited`.
function __dnet_read -S
    __dnet_grammar
    for one in $before[2..]
        if test -n "$awaited"
            __dnet_note_folder $awaited $one
            set awaited ''
        else if test "$one" = --
            set only_arguments 1
        else if test -z "$only_arguments"; and string match -q -- '--*' $one
            __dnet_take_option (string split -m 1 = -- $one)
        else if test -z "$only_arguments"; and string match -q -- '-?*' $one
            set -l letter (string sub -l 2 -- $one)
            __dnet_take_option $letter (string match -r '(?<=^..).+' -- $one)
        else if set -q commands[1]
            set path (string trim -- "$path $one")
            set given
            __dnet_grammar; or return 1
        else
            set -a given_arguments $one
        end
    end
    return 0
end

# An option, and what came with it in one word.
function __dnet_take_option -S
    set -l names
    set -l words
    set -l takes_value
    __dnet_find_option $argv[1]; or return 0
    set -a given $names
    if test -n "$takes_value"; and not set -q argv[2]
        set awaited $argv[1]
    else
        __dnet_note_folder $argv
    end
end

function __dnet_note_folder -S
    if test "$argv[1]" = --state-dir
        set folder (string replace -r '^~/' "$HOME/" -- $argv[2])
    end
end

# The entry of an option: its `names`, none where it may be repeated, and the `words` of its value.
function __dnet_find_option -S
    for entry in $options
        set -l parts (string match -r '^([^=+\t]+)(=?)([^+\t]*)(\+?)' -- $entry)
        set names (string split , -- $parts[2])
        if contains -- $argv[1] $names
            set takes_value $parts[3]
            set words (string split -n '|' -- $parts[4])
            test -z "$parts[5]"; or set names
            return 0
        end
    end
    return 1
end

# The `words` of the argument at the cursor, if there may be one.
function __dnet_find_argument -S
    set -l at (math (count $given_arguments) + 1)
    if test $at -gt (count $arguments)
        string match -q -- '*+' "$arguments[-1]"; or return 1
        set at -1
    end
    set words (string split '|' -- (string trim -r -c + -- $arguments[$at]))
    test "$words" != -; or set words
    return 0
end

function __dnet_offer -S
    for one in $argv
        switch $one
            case '<file>'
                __dnet_files
            case '<folder>'
                __dnet_files | string match -r '.*/(?=\t|$)'
            case '<netns>'
                if string match -q '*/*' -- $word
                    __dnet_files
                else
                    set -l files /run/netns/*
                    string replace -r '.*/' '' -- $files
                end
            case '<parent>'
                __dnet_names 'link ([^:]+):.*'
            case '<child>'
                __dnet_names 'link '(string escape --style=regex -- $before[-1])':(.+)'
            case '<*>'
                __dnet_names (string trim -c '<>' -- $one)' (.+)'
            case '*'
                echo $one
        end
    end | string replace -r '^' -- $lead
end

# What fish offers to a command that it knows nothing of.
function __dnet_files -S
    complete -C "'' $word"
end

# What a pattern finds in the lines of names; nothing that is an argument already.
function __dnet_names -S
    test -f $folder/names -a -r $folder/names; or return
    for name in (string replace -rf "^$argv[1]\$" '$1' <$folder/names)
        contains -- $name $given_arguments; or echo $name
    end
end

function __dnet_offer_options -S
    for entry in $options
        set -l parts (string split -m 1 \t -- $entry)
        set -l names (string split , -- (string replace -r '[=+].*' '' -- $parts[1]))
        set -l lacking
        for name in $names
            contains -- $name $given; and set lacking no
        end
        test -n "$lacking"; or printf "%s\t$parts[2]\n" $names
    end
end

complete -c dnet -f -a '(__dnet_complete)'
