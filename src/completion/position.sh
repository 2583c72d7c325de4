# Finds out what the command line may go on with. In the language that bash and zsh share. The functions set variables of their caller.
# shellcheck shell=bash disable=SC2154,SC2034

# __vae_dist_has WORD: whether the list `reply` has the word
__vae_dist_has() { case " $reply " in *" $1 "*) return 0 ;; *) return 1 ;; esac }

# __vae_dist_locate WORD...: reads the words between the program and the word that is completed. Sets `verb`, and `option` if its value comes next.
__vae_dist_locate() {
  local each
  verb='' option=''
  for each in "$@"; do
    if [ -n "$option" ]; then
      option=''
      continue
    fi
    case $each in
      -*)
        reply=$__vae_dist_begin_training
        if [ -z "$verb" ] && __vae_dist_has "${each%%=*}"; then verb='train'; fi
        __vae_dist_argument "$verb" "$each"
        if [ "$kind" != flag ]; then option=$each; fi
        case $each in *=*) option='' ;; esac
        ;;
      *)
        __vae_dist_verbs "$verb"
        if __vae_dist_has "$each"; then
          verb=${verb:+$verb }$each
        else
          case $verb$each in *' '*) ;; *.yaml | *.yml) verb=${verb:-train} ;; esac
        fi
        ;;
    esac
  done
}

# __vae_dist_wanted BEGINNING: what a word that begins so may be. Sets `kind`: words (the list `reply`), verbs (the same, or a configuration), keys (the
# same, each followed by "=", or a configuration), keys_or_file (or any file), file, folder, text; and `stem`, the part of the word in front of what it says.
__vae_dist_wanted() {
  stem=''
  if [ -n "$option" ]; then
    __vae_dist_argument "$verb" "$option"
    return
  fi
  case $1 in
    --*=*)
      stem=${1%%=*}=
      __vae_dist_argument "${verb:-train}" "${1%%=*}"
      return
      ;;
    -*)
      __vae_dist_options "$verb"
      if [ -z "$verb" ]; then reply="$reply $__vae_dist_begin_training"; fi
      kind=words
      return
      ;;
  esac
  __vae_dist_verbs "$verb"
  if [ -n "$reply" ]; then
    kind=words
    if [ -z "$verb" ]; then kind=verbs; fi
    return
  fi
  __vae_dist_argument "$verb" ''
  case $kind:$1 in
    keys*:*=*)
      stem=${1%%=*}=
      __vae_dist_values "${1%%=*}"
      ;;
    keys*) reply=$__vae_dist_keys ;;
  esac
}
