# shellcheck shell=bash
# bash completion of crunw, made from what `crunw --help` is made of

# What the value of an option of a verb is, or an argument of this number; '' for nothing that is known.
_crunw_kind() {
    case $1:$2 in
    @kinds@
    *) kind='' ;;
    esac
}

_crunw_options() {
    case $1 in
    @options@
    esac
}

# Words: which begin as the one at the cursor.
_crunw_offer() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_crunw() {
    local IFS=$' \t\n' current=${COMP_WORDS[COMP_CWORD]} signals
    local verb='' option='' word kind='' commands='' count=0 root=()
    @signals@
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $word == = ]]; then # of --option=value, which is three words
            option=${option:-switch}
        elif [[ $option ]]; then
            [[ $verb$option != --root ]] || root=(--root "$word")
            option=''
        elif [[ $word == -* && ! ($commands && $count -gt 0) ]]; then
            _crunw_kind "$verb" "$word"
            [[ ! $kind ]] || option=$word
        elif [[ ! $verb ]]; then
            verb=$word
            case $verb in
            @commands@
            esac
        else
            count=$((count + 1))
        fi
    done
    if [[ $current == = ]]; then
        current='' option=${option:-switch}
    fi
    COMPREPLY=()
    if [[ ! $option && $current == -* && ! ($commands && $count -gt 0) ]]; then
        _crunw_offer "$(_crunw_options "$verb")"
        return
    fi
    _crunw_kind "$verb" "${option:-$((count + 1))}"
    case $kind in
    =*) _crunw_offer "${kind#=}" ;;
    container) _crunw_offer "$(crunw "${root[@]}" list --quiet 2>/dev/null)" ;;
    signal) _crunw_offer "$signals" ;;
    directory) compopt -o dirnames 2>/dev/null ;;
    file) compopt -o default 2>/dev/null ;;
    esac
}
complete -F _crunw crunw
