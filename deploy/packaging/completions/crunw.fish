# fish completion of crunw, made from what `crunw --help` is made of

function __crunw_takes_value -d 'whether VERB:OPTION has a value'
    switch $argv[1]
        @values@
            return 0
    end
    return 1
end

function __crunw_has_command -d 'whether options of VERB end with its first argument'
    switch "$argv[1]"
        @commands@
            return 0
    end
    return 1
end

function __crunw_line -d 'the verb before the cursor, the number of arguments, the option --root'
    set -l verb ''
    set -l option ''
    set -l root ''
    set -l count 0
    set -l words (commandline -opc)
    for word in $words[2..]
        if test -n "$option"
            test "$verb$option" = --root; and set root $word
            set option ''
        else if string match -q -- '-*' $word; and not begin
                test $count -gt 0; and __crunw_has_command $verb
            end
            if __crunw_takes_value $verb:$word
                set option $word
            else if string match -q -- '--root=*' "$verb$word"
                set root (string replace -- --root= '' $word)
            end
        else if test -z "$verb"
            set verb $word
        else
            set count (math $count + 1)
        end
    end
    printf '%s\n' "$verb" $count "$root"
end

function __crunw_verb -d 'whether an option of VERB may follow'
    set -l line (__crunw_line)
    test "$line[1]" = $argv[1]; and not begin
        test $line[2] -gt 0; and __crunw_has_command $line[1]
    end
end

function __crunw_at -d 'whether argument NUMBER of VERB follows, with a third word also a later one'
    set -l line (__crunw_line)
    test "$line[1]" = "$argv[1]"; or return 1
    test (math $line[2] + 1) -eq $argv[2]; and return 0
    test -n "$argv[3]" -a $line[2] -ge $argv[2]
end

function __crunw_containers
    set -l line (__crunw_line)
    if test -n "$line[3]"
        crunw --root $line[3] list --quiet 2>/dev/null
    else
        crunw list --quiet 2>/dev/null
    end
end

complete -c crunw -f
@completions@
