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
        case ''
            set -a commands 'bridge'\t'Set up, show and remove bridges'
            set -a commands 'firewall'\t'Show and change the firewall that dnet'\''s rules are in'
            set -a commands 'ip'\t'Allocate and release addresses'
            set -a commands 'interface'\t'Allocate addresses under an id, and release them'
            set -a commands 'port'\t'Reserve ports of the host'
            set -a commands 'map'\t'Publish ports of containers on the host'
            set -a commands 'link'\t'Open ports of one container to another'
            set -a commands 'host'\t'Share a pool of addresses with other hosts'
            set -a commands 'attach'\t'Plug a network namespace into a bridge'
            set -a commands 'detach'\t'Unplug interfaces, and release all they had'
            set -a commands 'batch'\t'Run many commands as one transaction'
            set -a commands 'show'\t'Show the whole picture'
            set -a commands 'check'\t'Compare the kernel with the store'
            set -a commands 'probe'\t'Find out why a published port does not answer'
            set -a commands 'restore'\t'Make the kernel match the store'
            set -a commands 'gc'\t'Release what belongs to namespaces that are gone'
            set -a commands 'reset'\t'Remove everything dnet made, then the store'
            set -a commands 'plugin'\t'Let container runtimes get their network from dnet'
            set -a commands 'completion'\t'Print the completion script of a shell'
            set -a options '--state-dir=<folder>'\t'Folder of the store'
            set -a options '--lock-timeout='\t'How long to wait for the store'\''s lock, and for that of iptables'
            set -a options '-v,--verbose'\t'Print each kernel change to stderr'
            set -a options '--version'\t'Show the version and exit'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'bridge'
            set -a commands 'init'\t'Set up a bridge, or change the given options of one'
            set -a commands 'list'\t'List the bridges'
            set -a commands 'show'\t'Show a bridge with all its options'
            set -a commands 'remove'\t'Remove a bridge with its rules and its device'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'bridge init'
            set -a options '--address,--ip='\t'Bridge address, such as 172.17.42.1/16 (default: the first free one of 12 candidates)'
            set -a options '--range='\t'Part of the subnet to take addresses from (default: all of it)'
            set -a options '--mtu='\t'MTU (default: that of the default route'\''s device)'
            set -a options '--chain='\t'Chain for the bridge'\''s mappings in the nat table'
            set -a options '--icc,--no-icc'\t'Let the bridge'\''s containers reach one another'
            set -a options '--masquerade,--no-masquerade'\t'Let containers reach other networks under the host'\''s address'
            set -a options '--ip-forward,--no-ip-forward'\t'Switch IP forwarding on'
            set -a options '--firewall=auto|iptables|nftables'\t'Firewall for the rules of all bridges'
            set -a options '--iptables,--no-iptables,--no-firewall'\t'Make firewall rules for the bridge'
            set -a options '--isolate,--no-isolate'\t'Keep containers of other bridges out'
            set -a options '--direct-access,--no-direct-access'\t'Let other networks reach the containers'\'' own addresses'
            set -a options '--firewalld,--no-firewalld'\t'Put the bridge into firewalld'\''s zone trusted while firewalld runs'
            set -a options '--ipv6,--no-ipv6'\t'Give the bridge IPv6 as well'
            set -a options '--address6='\t'Bridge address of IPv6, such as 2001:db8::1/64 (default: in a unique local /64)'
            set -a options '--range6='\t'Part of the subnet to take IPv6 addresses from (default: its first /112)'
            set -a options '--masquerade6,--no-masquerade6'\t'Same as --masquerade, for IPv6'
            set -a options '--binding-ip=+'\t'Host address to publish ports on, once per family'
            set -a options '--port-range='\t'Range to choose host ports from when none is given'
            set -a options '--allocation=round-robin|reuse'\t'round-robin: reuse a released address as late as possible'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<bridge>'
        case 'bridge list'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'bridge show'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<bridge>'
        case 'bridge remove'
            set -a options '--force'\t'First release everything allocated on the bridge'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<bridge>'
        case 'firewall'
            set -a commands 'show'\t'Show the firewall in use, and other rules that overrule it'
            set -a commands 'use'\t'Move the rules of all bridges over to another firewall'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'firewall show'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'firewall use'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments 'iptables|nftables'
        case 'ip'
            set -a commands 'request'\t'Allocate addresses, and print them'
            set -a commands 'release'\t'Release addresses: all of them, or none'
            set -a commands 'list'\t'List the addresses that are taken, with their owners'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'ip request'
            set -a options '--bridge=<bridge>'\t'Bridge to use (default: the only one, or dnet0)'
            set -a options '--ip='\t'Take this address (default: the next free one)'
            set -a options '--ipv6'\t'Allocate IPv6 addresses'
            set -a options '--owner=<id>'\t'Owner shown in lists'
            set -a options '--count='\t'How many'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'ip release'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<address>+'
        case 'ip list'
            set -a options '--bridge=<bridge>'\t'List only this bridge'\''s (default: every bridge'\''s)'
            set -a options '--available'\t'List free addresses instead'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|<address>'
        case 'interface'
            set -a commands 'allocate'\t'Allocate an address for ID, and print it'
            set -a commands 'release'\t'Release interfaces, and all that is theirs'
            set -a commands 'list'\t'List the interfaces'
            set -a commands 'show'\t'Show an interface with its ports and links'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'interface allocate'
            set -a options '--bridge=<bridge>'\t'Bridge to use (default: the only one, or dnet0)'
            set -a options '--ip='\t'Take this address (default: the next free one)'
            set -a options '--ip6='\t'Take this IPv6 address (default: the one at the same offset in its subnet)'
            set -a options '--expose=+'\t'Port that links open if they name none'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '-'
        case 'interface release'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>+'
        case 'interface list'
            set -a options '--bridge=<bridge>'\t'List only this bridge'\''s (default: every bridge'\''s)'
            set -a options '--origin=cni|netavark|oci'\t'Only interfaces this container runtime asked for (on this network, for this container)'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'interface show'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>'
        case 'port'
            set -a commands 'allocate'\t'Reserve ports, and print each'
            set -a commands 'release'\t'Release reserved ports: all of them, or none'
            set -a commands 'list'\t'List the ports that are taken, with their owners'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'port allocate'
            set -a options '--bridge=<bridge>'\t'Bridge to use (default: the only one, or dnet0)'
            set -a options '--host-ip='\t'Host address (default: the bridge'\''s binding address, of both families if it has IPv6)'
            set -a options '--proto=tcp|udp|sctp'\t'tcp, udp or sctp'
            set -a options '--port='\t'Port, or a range to take a free one from (default: the bridge'\''s port range)'
            set -a options '--owner=<id>'\t'Owner shown in lists'
            set -a options '--count='\t'How many'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'port release'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<port>+'
        case 'port list'
            set -a options '--bridge=<bridge>'\t'List only this bridge'\''s (default: every bridge'\''s)'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<mapping>|<port>|<id>'
        case 'map'
            set -a commands 'add'\t'Publish ports of TARGET, and print the host endpoints'
            set -a commands 'remove'\t'Remove mappings: all that are named, or none'
            set -a commands 'list'\t'List the mappings, of one target or of all'
            set -a commands 'stats'\t'Show the connections of mappings, and what passes through them'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'map add'
            set -a options '--from=any+'\t'Let in only this network and the host'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|<address>' '-+'
        case 'map remove'
            set -a options '--all=<id>|<address>'\t'Remove every mapping of TARGET'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<mapping>+'
        case 'map list'
            set -a options '--bridge=<bridge>'\t'List only this bridge'\''s (default: every bridge'\''s)'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|<address>'
        case 'map stats'
            set -a options '--watch'\t'Update the figures every second'
            set -a options '--start,--stop'\t'Count packets and bytes from now on, or stop and forget them'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|prometheus'\t'Output format: text, json, or prometheus for its textfile collector'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|<address>'
        case 'link'
            set -a commands 'add'\t'Let PARENT reach ports of CHILD'
            set -a commands 'remove'\t'Close a link, named as PARENT CHILD or PARENT:CHILD'
            set -a commands 'list'\t'List the links: all, or those that lead from ID or to it'
            set -a commands 'env'\t'Print the environment variables for PARENT'\''s links'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'link add'
            set -a options '-p,--port=+'\t'Port of CHILD'
            set -a options '--alias='\t'Name of CHILD in PARENT'\''s variables'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|host' '<id>'
        case 'link remove'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<parent>|<link>' '<child>'
        case 'link list'
            set -a options '--bridge=<bridge>'\t'List only this bridge'\''s (default: every bridge'\''s)'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|host'
        case 'link env'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<parent>'
        case 'host'
            set -a commands 'join'\t'Get a block of a pool for this host, and print it'
            set -a commands 'sync'\t'Read the registry, and reach the hosts in it and no others'
            set -a commands 'watch'\t'Do the same at every change, as long as the registry can be reached'
            set -a commands 'list'\t'List the hosts of the pool as they are known here, this one first'
            set -a commands 'show'\t'Show a host as it is known here'
            set -a commands 'leave'\t'Release this host'\''s block'
            set -a commands 'remove'\t'Remove a host that no longer exists from the pool'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'host join'
            set -a options '--store='\t'Registry of the hosts: file:///PATH, etcd://HOST:PORT[,…]/PREFIX, or etcds://…'
            set -a options '--pool='\t'Pool that all hosts share, such as 10.244.0.0/16'
            set -a options '--block='\t'Prefix length of each host'\''s block'
            set -a options '--underlay='\t'Address other hosts reach this one at (default: that of the default route'\''s device)'
            set -a options '--transport=vxlan|route'\t'Transport to other hosts: VXLAN, or routes on one shared network'
            set -a options '--vni='\t'VXLAN network identifier (VNI)'
            set -a options '--port='\t'UDP port of the VXLAN'
            set -a options '--bridge=<bridge>'\t'Bridge to use (default: the only one, or dnet0)'
            set -a options '--firewall=auto|iptables|nftables'\t'Firewall for the rules, if the bridge is the first one'
            set -a options '--ca=<file>'\t'CA certificates to verify the registry with (default: the system'\''s)'
            set -a options '--cert=<file>'\t'Client certificate of this host'
            set -a options '--key=<file>'\t'Key of that certificate, a file of mode 0600'
            set -a options '--user=<file>'\t'File with USER:PASSWORD for the registry, of mode 0600'
            set -a options '--moved'\t'Register a new underlay address for this host'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '-'
        case 'host sync'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'host watch'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'host list'
            set -a options '-q,--quiet'\t'Print only the keys, one per line'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'host show'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '-'
        case 'host leave'
            set -a options '--force'\t'Leave even if addresses are allocated or the registry cannot be reached'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'host remove'
            set -a options '--yes'\t'Confirm that the host no longer exists'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '-'
        case 'attach'
            set -a options '--netns=<netns>'\t'Network namespace: a path (with a '\''/'\''), a name, or a pid'
            set -a options '--bridge=<bridge>'\t'Bridge to use (default: the only one, or dnet0)'
            set -a options '--ifname='\t'Name of the interface inside the namespace'
            set -a options '--ip='\t'Take this address (default: the next free one)'
            set -a options '--ip6='\t'Take this IPv6 address (default: the one at the same offset in its subnet)'
            set -a options '--mac='\t'MAC address (default: derived from the address)'
            set -a options '--expose=+'\t'Port that links open if they name none'
            set -a options '-p,--publish=+'\t'Publish a port, as dnet map add does'
            set -a options '--from=any+'\t'Let in only this network and the host'
            set -a options '--link=<id>+'\t'Open the way to the exposed ports of this interface'
            set -a options '--rate-in=none'\t'Limit the rate to the container, such as 8mbit'
            set -a options '--rate-out=none'\t'Limit the rate from the container'
            set -a options '--hosts-file=<file>'\t'Keep a block of /etc/hosts lines in this file for the hosts it may reach'
            set -a options '--no-hosts-file'\t'Stop keeping the hosts file'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>'
        case 'detach'
            set -a options '--origin=cni|netavark|oci'\t'Detach what this container runtime asked for, instead of IDs'
            set -a options '--if-exists'\t'Do not fail if it does not exist'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>+'
        case 'batch'
            set -a options '--keep-going'\t'Skip lines that are refused'
            set -a options '--each'\t'Run each line as its own transaction, and answer with one line'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<file>'
        case 'show'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|dot|hosts|batch'\t'Output as text (the default), json, dot for Graphviz, hosts as in /etc/hosts, or batch to recreate it elsewhere'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<id>|host'
        case 'check'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'probe'
            set -a options '--from=outside|host|<id>+'\t'Where to try from'
            set -a options '--via='\t'Device for packets from outside (default: the default route'\''s)'
            set -a options '--timeout='\t'How long to wait for an answer'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments '<mapping>|<id>+'
        case 'restore'
            set -a options '--adopt'\t'Take over a store whose network namespace no longer exists'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'gc'
            set -a options '--owner=<id>+'\t'Also release this interface, whatever it is plugged into'
            set -a options '--origin=cni|netavark|oci'\t'Only interfaces this container runtime asked for (on this network, for this container)'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'reset'
            set -a options '--yes'\t'Do not ask'
            set -a options '--unowned'\t'Also remove devices and rules that have dnet'\''s names but belong to no known store'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'plugin'
            set -a commands 'install'\t'Link the programs to where container runtimes look for them'
            set -a commands 'config'\t'Print a configuration file'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'plugin install'
            set -a options '--cni=<folder>'\t'Folder for CNI plugins'
            set -a options '--netavark=<folder>'\t'Folder for podman'\''s network drivers'
            set -a options '--hooks=<folder>'\t'Folder for podman'\''s hooks'
            set -a options '--force'\t'Replace other programs, and use folders that users other than root can write to'
            set -a options '--dry-run'\t'Print each kernel change without making it'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
        case 'plugin config'
            set -a options '--bridge=<bridge>'\t'The bridge'
            set -a options '-j,--json'\t'Same as --format json'
            set -a options '--format=text|json|env'\t'Output format: text, json, or env for the shell'\''s eval (default: text)'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments 'cni|netavark|oci'
        case 'completion'
            set -a options '-h,--help'\t'Show this message and exit'
            set arguments 'bash|zsh|fish'
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
