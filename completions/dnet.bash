# bash completion for dnet. Made by scripts/generate, from generate/shells/dnet.bash.
#
# It starts no program: commands and options stand here, names in a file beside the store. It works
# with and without the package bash-completion.

# What there is at `path`: the `commands` of a group; of a command the `options`, each as
# NAME[,NAME][=WORDS][+], and the `arguments`, each as WORDS[+]. With a + it may be repeated. WORDS
# are alternatives with | between them, one in <> any name of that kind; - is nothing known.
_dnet_grammar() {
    commands='' options='' arguments=''
    case $path in
        '')
            commands='bridge|firewall|ip|interface|port|map|link|host|attach|detach|batch|show|check|probe|restore|gc|reset|plugin|completion'
            options='--state-dir=<folder>
                --lock-timeout=
                -v,--verbose
                --version
                -h,--help'
            ;;
        'bridge')
            commands='init|list|show|remove'
            options='-h,--help'
            ;;
        'bridge init')
            options='--address,--ip=
                --range=
                --mtu=
                --chain=
                --icc,--no-icc
                --masquerade,--no-masquerade
                --ip-forward,--no-ip-forward
                --firewall=auto|iptables|nftables
                --iptables,--no-iptables,--no-firewall
                --isolate,--no-isolate
                --direct-access,--no-direct-access
                --firewalld,--no-firewalld
                --ipv6,--no-ipv6
                --address6=
                --range6=
                --masquerade6,--no-masquerade6
                --binding-ip=+
                --port-range=
                --allocation=round-robin|reuse
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<bridge>'
            ;;
        'bridge list')
            options='-q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'bridge show')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            arguments='<bridge>'
            ;;
        'bridge remove')
            options='--force
                --if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<bridge>'
            ;;
        'firewall')
            commands='show|use'
            options='-h,--help'
            ;;
        'firewall show')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'firewall use')
            options='--dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='iptables|nftables'
            ;;
        'ip')
            commands='request|release|list'
            options='-h,--help'
            ;;
        'ip request')
            options='--bridge=<bridge>
                --ip=
                --ipv6
                --owner=<id>
                --count=
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'ip release')
            options='--if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<address>+'
            ;;
        'ip list')
            options='--bridge=<bridge>
                --available
                -q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>|<address>'
            ;;
        'interface')
            commands='allocate|release|list|show'
            options='-h,--help'
            ;;
        'interface allocate')
            options='--bridge=<bridge>
                --ip=
                --ip6=
                --expose=+
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='-'
            ;;
        'interface release')
            options='--if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>+'
            ;;
        'interface list')
            options='--bridge=<bridge>
                --origin=cni|netavark|oci
                -q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'interface show')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>'
            ;;
        'port')
            commands='allocate|release|list'
            options='-h,--help'
            ;;
        'port allocate')
            options='--bridge=<bridge>
                --host-ip=
                --proto=tcp|udp|sctp
                --port=
                --owner=<id>
                --count=
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'port release')
            options='--if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<port>+'
            ;;
        'port list')
            options='--bridge=<bridge>
                -q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<mapping>|<port>|<id>'
            ;;
        'map')
            commands='add|remove|list|stats'
            options='-h,--help'
            ;;
        'map add')
            options='--from=any+
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>|<address> -+'
            ;;
        'map remove')
            options='--all=<id>|<address>
                --if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<mapping>+'
            ;;
        'map list')
            options='--bridge=<bridge>
                -q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>|<address>'
            ;;
        'map stats')
            options='--watch
                --start,--stop
                --dry-run
                -q,--quiet
                -j,--json
                --format=text|json|prometheus
                -h,--help'
            arguments='<id>|<address>'
            ;;
        'link')
            commands='add|remove|list|env'
            options='-h,--help'
            ;;
        'link add')
            options='-p,--port=+
                --alias=
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>|host <id>'
            ;;
        'link remove')
            options='--if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<parent>|<link> <child>'
            ;;
        'link list')
            options='--bridge=<bridge>
                -q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>|host'
            ;;
        'link env')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            arguments='<parent>'
            ;;
        'host')
            commands='join|sync|watch|list|show|leave|remove'
            options='-h,--help'
            ;;
        'host join')
            options='--store=
                --pool=
                --block=
                --underlay=
                --transport=vxlan|route
                --vni=
                --port=
                --bridge=<bridge>
                --firewall=auto|iptables|nftables
                --ca=<file>
                --cert=<file>
                --key=<file>
                --user=<file>
                --moved
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='-'
            ;;
        'host sync')
            options='--dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'host watch')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'host list')
            options='-q,--quiet
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'host show')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            arguments='-'
            ;;
        'host leave')
            options='--force
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'host remove')
            options='--yes
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='-'
            ;;
        'attach')
            options='--netns=<netns>
                --bridge=<bridge>
                --ifname=
                --ip=
                --ip6=
                --mac=
                --expose=+
                -p,--publish=+
                --from=any+
                --link=<id>+
                --rate-in=none
                --rate-out=none
                --hosts-file=<file>
                --no-hosts-file
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>'
            ;;
        'detach')
            options='--origin=cni|netavark|oci
                --if-exists
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<id>+'
            ;;
        'batch')
            options='--keep-going
                --each
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<file>'
            ;;
        'show')
            options='-j,--json
                --format=text|json|dot|hosts|batch
                -h,--help'
            arguments='<id>|host'
            ;;
        'check')
            options='-j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'probe')
            options='--from=outside|host|<id>+
                --via=
                --timeout=
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='<mapping>|<id>+'
            ;;
        'restore')
            options='--adopt
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'gc')
            options='--owner=<id>+
                --origin=cni|netavark|oci
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'reset')
            options='--yes
                --unowned
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'plugin')
            commands='install|config'
            options='-h,--help'
            ;;
        'plugin install')
            options='--cni=<folder>
                --netavark=<folder>
                --hooks=<folder>
                --force
                --dry-run
                -j,--json
                --format=text|json|env
                -h,--help'
            ;;
        'plugin config')
            options='--bridge=<bridge>
                -j,--json
                --format=text|json|env
                -h,--help'
            arguments='cni|netavark|oci'
            ;;
        'completion')
            options='-h,--help'
            arguments='bash|zsh|fish'
            ;;
        *) return 1 ;;
    esac
}

_dnet() {
    local IFS=$' \t\n'
    local path='' commands options arguments
    local before word lead='' quoted=''
    local given=, given_arguments=() awaited='' only_arguments=''
    local folder=${DNET_STATE_DIR:-/var/lib/dnet}
    COMPREPLY=()
    _dnet_split
    _dnet_read || return 0

    local names words=''
    if [[ $awaited ]]; then
        _dnet_find_option "$awaited"
        _dnet_offer "$words"
    elif [[ $word == --*=* && ! $only_arguments ]]; then
        lead=${word%%=*}= word=${word#*=}
        _dnet_find_option "${lead%=}" && _dnet_offer "$words"
    elif [[ $word == -* && ! $only_arguments ]]; then
        _dnet_offer_options
    elif [[ $commands ]]; then
        _dnet_offer "$commands"
    elif _dnet_find_argument; then
        _dnet_offer "$words"
    else
        _dnet_offer_options
    fi
    _dnet_fit
}

# Fill `before` with the words before the cursor, and `word` with what is there of the next. bash
# splits them at COMP_WORDBREAKS, which a colon is one of; here only blanks count.
_dnet_split() {
    local line=${COMP_LINE:0:COMP_POINT} part i
    before=()
    for ((i = 0; i < COMP_CWORD; i++)); do
        part=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $line == [[:space:]]* ]]; then
            line=${line#"${line%%[![:space:]]*}"}
            before+=("$part")
        else
            before[-1]+=$part
        fi
        line=${line#"$part"}
    done
    if [[ $line == [[:space:]]* ]]; then
        word=${line#"${line%%[![:space:]]*}"}
    else
        word=${before[-1]}$line
        unset 'before[-1]'
    fi
    if [[ $word == [\"\']* ]]; then
        quoted=1 word=${word:1}
    fi
}

# Read `before`: where it leads, what is `given`, and which option's value is `awaited`.
_dnet_read() {
    local one
    _dnet_grammar
    for one in "${before[@]:1}"; do
        if [[ $awaited ]]; then
            _dnet_note_folder "$awaited" "$one"
            awaited=''
        elif [[ $one == -- ]]; then
            only_arguments=1
        elif [[ $one == --* && ! $only_arguments ]]; then
            _dnet_take_option "${one%%=*}" "${one#"${one%%=*}"}"
        elif [[ $one == -?* && ! $only_arguments ]]; then
            _dnet_take_option "${one:0:2}" "${one:2}"
        elif [[ $commands ]]; then
            path+=${path:+ }$one given=,
            _dnet_grammar || return 1
        else
            given_arguments+=("$one")
        fi
    done
}

# An option, and what came with it in one word.
_dnet_take_option() {
    local names words takes_value=''
    _dnet_find_option "$1" || return 0
    given+=$names,
    if [[ $takes_value && ! $2 ]]; then
        awaited=$1
    else
        _dnet_note_folder "$1" "${2#=}"
    fi
}

_dnet_note_folder() {
    if [[ $1 == --state-dir ]]; then
        folder=${2//[\"\'\\]/}
        folder=${folder/#\~\//$HOME/}
    fi
}

# The entry of an option: its `names`, none where it may be repeated, and the `words` of its value.
_dnet_find_option() {
    local entry
    for entry in $options; do
        names=${entry%%[=+]*}
        if [[ ,$names, == *,"$1",* ]]; then
            words=''
            if [[ $entry == *=* ]]; then
                takes_value=1 words=${entry#*=}
                words=${words%+}
            fi
            [[ $entry != *+ ]] || names=''
            return 0
        fi
    done
    return 1
}

# The `words` of the argument at the cursor, if there may be one.
_dnet_find_argument() {
    local all at=${#given_arguments[@]}
    read -ra all <<<"$arguments"
    if ((at >= ${#all[@]})); then
        [[ $arguments == *+ ]] || return 1
        at=$((${#all[@]} - 1))
    fi
    words=${all[at]%+}
    [[ $words != - ]] || words=''
}

_dnet_offer() {
    local IFS='|' one
    for one in $1; do
        case $one in
            '<file>') compopt -o default ;;
            '<folder>') compopt -o dirnames ;;
            '<netns>') _dnet_offer_namespaces ;;
            '<parent>') [[ $word == *:* ]] || _dnet_offer_names 'link ' : ;;
            '<child>') _dnet_offer_names "link ${before[-1]}:" ;;
            '<'*) one=${one#<} && _dnet_offer_names "${one%>} " ;;
            "$word"*) COMPREPLY+=("$one") ;;
        esac
    done
}

_dnet_offer_options() {
    local entry names name
    for entry in $options; do
        names=${entry%%[=+]*}
        for name in ${names//,/ }; do
            [[ $given != *,"$name",* ]] || continue 2
        done
        for name in ${names//,/ }; do
            [[ $name != "$word"* ]] || COMPREPLY+=("$name")
        done
    done
}

# What follows $1 in the lines of names that begin so, up to $2; nothing that is an argument already.
_dnet_offer_names() {
    local line lines found=() used=" ${given_arguments[*]-} "
    [[ -f $folder/names && -r $folder/names ]] || return 0
    mapfile -t lines <"$folder/names"
    for line in "${lines[@]}"; do
        if [[ $line == "$1$word"* && $used != *" ${line#"$1"} "* ]]; then
            found+=("${line#"$1"}")
        fi
    done
    [[ ! ${2-} ]] || found=("${found[@]%%"$2"*}")
    COMPREPLY+=("${found[@]}")
}

_dnet_offer_namespaces() {
    local file
    if [[ $word == */* ]]; then
        compopt -o default
        return
    fi
    for file in /run/netns/"$word"*; do
        [[ ! -e $file ]] || COMPREPLY+=("${file##*/}")
    done
}

# Let the answers be what readline is to put in place of what follows the last of COMP_WORDBREAKS,
# without anything that the shell would take for more than a name.
_dnet_fit() {
    local IFS=' ' typed=$lead$word i
    # Its brackets could at most stand for a file of that name, and are what one types.
    local endpoint='^\[[0-9a-f:]+\]:[0-9a-z/-]+$'
    if [[ "${COMPREPLY[*]}" == *[!A-Za-z0-9_./:=\ +-]* ]]; then
        for i in "${!COMPREPLY[@]}"; do
            if [[ ${COMPREPLY[i]} =~ $endpoint ]]; then
                continue
            elif [[ ! $quoted ]]; then
                printf -v 'COMPREPLY[i]' %q "${COMPREPLY[i]}"
            elif [[ ${COMPREPLY[i]} == *[!A-Za-z0-9_./:=+-]* ]]; then
                unset 'COMPREPLY[i]'
            fi
        done
    fi
    COMPREPLY=("${COMPREPLY[@]/#/$lead}")
    [[ ! $quoted ]] || return 0
    while [[ $typed && $COMP_WORDBREAKS != *"${typed: -1}"* ]]; do
        typed=${typed%?}
    done
    [[ ! $typed ]] || COMPREPLY=("${COMPREPLY[@]#"$typed"}")
}

complete -F _dnet dnet
