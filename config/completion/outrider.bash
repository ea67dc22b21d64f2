# SPDX-License-Identifier: Apache-2.0
# Completion of outrider(8) for bash. A test compares the flags with those of `outrider --help`.

_outrider() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} flags words=
    # bash splits --flag=value into three words.
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    COMPREPLY=()
    case $before in
    -c | --config | --cert | --key)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --client)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W 'browser push' -- "$word"; compgen -f -- "$word")
        return
        ;;
    --origin)
        compopt -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W 'http:// unix:/' -- "$word")
        return
        ;;
    --listen)
        compopt -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W 'https:// http://' -- "$word")
        return
        ;;
    --workers | --origin-timeout | --admin | --timeout)
        return
        ;;
    esac
    flags='-c --config --origin --listen --cert --key --workers --origin-timeout --version -h --help'
    case ${COMP_WORDS[1]} in
    explain) flags="$flags --client" ;;
    health) flags='-c --config --admin --live --timeout -h --help' ;;
    esac
    if ((COMP_CWORD == 1)); then
        words='check explain health'
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words $flags" -- "$word")
}

complete -F _outrider outrider
