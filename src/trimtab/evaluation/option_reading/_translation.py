"""Words by which replies in other languages answer, as their English ones, so that one grammar reads them all.

Only words that tell which option is chosen are translated: yes and no, "the second", "the answer is", "I choose",
"or rather", "both". They are applied to replies and options alike, so that an option which a reply copies stays equal
to it. Words that are English words too ("die", "no", "a") are translated as part of a longer phrase only.
"""

from __future__ import annotations

import re

from trimtab.evaluation.option_reading._unspaced import UNSPACED, translated_unspaced

# English: phrases of German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish, Polish, Russian and Turkish.
# The first phrase that fits wins, so that longer ones stand before their beginnings.
_PHRASES = (
    ("absolutely yes", r"с удовольствием|пожалуй,? да|avec (?:grand )?plaisir|volontiers|con (?:mucho )?gusto"
                       r"|con piacere|volentieri|com prazer|met plezier|mit vergnügen|z przyjemnością|gärna"
                       r"|memnuniyetle"),
    ("absolutely not", r"вряд ли|пожалуй,? нет"),
    ("so", r"donc|quindi|perciò|dunque|así que|por lo tanto|entonces|portanto|então|deshalb|daher|folglich|dus"
           r"|поэтому|значит|итак|więc|zatem|alltså|yani"),
    ("i love", r"j'adore|j'aime(?: beaucoup| bien)?|ich (?:liebe|mag)(?! kein)|me (?:encanta|gusta)(?! más)"
               r"|(?:yo )?amo|adoro|mi piace(?! di più)|(?:eu )?gosto (?:mais )?d[eoa]s?|ik (?:hou|houd) van"
               r"|jag (?:älskar|gillar)|(?:больше всего )?я (?:больше всего )?(?:люблю|обожаю)|мне нравится|lubię"
               r"|kocham"),
    ("is correct", r"ist (?:richtig|korrekt|die richtige antwort)|est (?:correcte?|juste|la bonne(?: réponse)?)"
                   r"|es (?:correct[ao]|la (?:respuesta )?correcta)|è (?:corrett[ao]|giust[ao]|quella giusta)"
                   r"|é (?:corret[ao]|a (?:resposta )?correta)|is juist|är rätt|jest poprawna|верно|правильно"),
    ("please", r"lütfen|bitte|s'il vous plaît|por favor|per favore|alstublieft|пожалуйста|proszę"),
    ("the fourth one", r"(?:der|die|das|den) vierte[nrs]?(?: (?:option|antwort|möglichkeit))?"
                       r"|la quatrième(?: (?:option|réponse))?|le quatrième|(?:la|el) cuart[ao](?: (?:opción"
                       r"|respuesta))?|la quarta(?: (?:opzione|risposta))?|il quarto|a quarta(?: opção)?"
                       r"|de vierde(?: optie)?|четвёрт(?:ый|ая|ое)|четверт(?:ый|ая|ое)"),
    ("no thanks", r"nee hoor|nee,? dank(?: je| u)?|nej,? tack|nei,? takk|non,? merci|no,? gracias|no,? grazie"
                  r"|não,? obrigad[oa]|nein,? danke|nie,? dziękuję|нет,? спасибо|hayır,? teşekkürler"),
    ("yes please", r"ja,? tack|ja,? takk|ja,? bitte|oui,? s'il vous plaît|sí,? por favor|sì,? grazie|sim,? por favor"
                   r"|ja,? graag|tak,? proszę|да,? пожалуйста|evet,? lütfen"),
    ("absolutely not", r"(?:das )?würde ich (?:niemals|nie|nicht)(?: tun| machen)?|je ne le ferais (?:pas|jamais)"
                       r"|no lo haría|nunca lo haría|non lo farei(?: mai)?|niezbyt|nie bardzo|не очень|no mucho"
                       r"|pas trop|non molto|niet echt|nicht (?:so|sehr)(?= *[.!,]| *$)"),
    ("absolutely yes", r"(?:das )?würde ich(?: tun| machen)?(?= *[.!,]| *$)|je le ferais|(?<!no )lo haría|lo farei"),
    ("absolutely not", r"(?:das )?(?:finde|glaube|denke|meine) ich (?:eher )?nicht|ich (?:denke|glaube|finde"
                       r"|meine) (?:eher )?nicht|je ne (?:pense|crois) pas|no (?:lo )?creo|no (?:lo )?pienso"
                       r"|non (?:lo )?(?:credo|penso)|не думаю|nie sądzę|nie wydaje mi się|ik denk van niet"
                       r"|ik denk het niet|acho que não|não (?:acho|creio)|det tror jag inte|sanmıyorum"),
    ("absolutely yes", r"(?:das )?(?:finde|glaube|denke|meine) ich (?:schon|auch)|ich (?:denke|glaube|finde) (?:schon"
                       r"|ja)|durchaus|je (?:pense|crois) que oui|ik denk (?:van wel|het wel)|det tror jag"
                       r"|sanırım evet"),
    ("i disagree", r"(?:ich )?stimme (?:dem |dieser aussage |da )?(?:überhaupt |gar )?nicht zu"
                   r"|dem stimme ich nicht zu|in disaccordo|em desacordo|en désaccord|ich bin (?:anderer meinung"
                   r"|nicht einverstanden|dagegen)|(?:je ne suis )?pas d'accord|je suis contre|no estoy de acuerdo"
                   r"|estoy en contra|en desacuerdo|non sono d'accordo|sono contrari[oa]|não concordo|discordo"
                   r"|sou contra|(?:ik ben het )?(?:er )?niet mee eens|ik ben tegen|jag håller inte med"
                   r"|nie zgadzam się|(?:я )?не соглас(?:ен|на)|я против"),
    ("i agree", r"(?:ich )?stimme (?:dem |dieser aussage |da |voll |vollkommen |völlig )*zu|dem stimme ich zu"
                r"|ich bin (?:einverstanden|dafür)|einverstanden|(?:je suis )?(?:tout à fait |entièrement )?d'accord"
                r"|je suis pour|(?:estoy )?(?:totalmente )?de acuerdo|estoy a favor|(?:sono )?d'accordo|sono a favore"
                r"|concordo|sou a favor|(?:ik ben het )?(?:er )?(?:helemaal )?mee eens|ik ben voor|jag håller med"
                r"|zgadzam się|(?:я )?соглас(?:ен|на)|я за"),
    ("absolutely not", """
        eigentlich nicht|nicht (?:besonders|so sehr|unbedingt|wirklich|gern|gerne|mehr)|kaum|auf (?:gar )?keinen fall
        |keinesfalls|keineswegs|niemals|(?:ganz )?(?:bestimmt|sicher|natürlich|überhaupt|absolut|definitiv|eher|lieber
        |wohl) nicht|gar nicht|nicht wirklich
        |(?:absolument|surtout|certainement|bien sûr que|sûrement|vraiment) (?:pas|non)|pas du tout|pas vraiment
        |en aucun cas|jamais(?! de)|plutôt pas
        |de ninguna manera|en absoluto|para nada|ni hablar(?! de)|claro que no|por supuesto que no|nunca|jamás
        |desde luego que no|creo que no|mejor no
        |assolutamente no|certo che no|per niente|per nulla|in nessun caso|certamente no|direi di no|penso di no
        |credo di no
        |de jeito nenhum|de modo algum|claro que não|com certeza não|acho que não|de forma alguma
        |absoluut niet|zeker niet|helemaal niet|natuurlijk niet|in geen geval|echt niet|liever niet|eigenlijk niet
        |nooit
        |absolut inte|aldrig|inte alls|verkligen inte|absolut ikke|bestemt ikke|aldri
        |absolutnie nie|na pewno nie|oczywiście,? że nie|w żadnym (?:wypadku|razie)|raczej nie|nigdy
        |конечно,? нет|ни за что|ни в коем случае|никогда|вовсе нет|совсем нет|думаю,? (?:что )?нет|скорее нет
        |kesinlikle (?:hayır|olmaz|değil)|asla|tabii ki hayır|hiç de değil"""),
    ("absolutely yes", """
        und wie|aber hallo|klar(?= *[.!,;]| *$)|ja,? (?:natürlich|klar|gerne?|sicher|unbedingt|auf jeden fall|absolut
        |genau)|auf jeden fall|auf alle fälle|selbstverständlich|natürlich(?= *[.!,;]| *$)|aber (?:ja|sicher|klar
        |natürlich)|na klar|klar doch
        |bien sûr que oui|oui,? (?:bien sûr|absolument|tout à fait|certainement)|bien sûr|tout à fait|absolument
        |évidemment|certainement|bien entendu|mais oui|si fait
        |sí,? (?:claro|por supuesto|desde luego|señor)|claro que sí|por supuesto|desde luego|sin duda|efectivamente
        |creo que sí|claro(?= *[.!,;]| *$)|naturalmente|ciertamente
        |sì,? (?:certo|assolutamente|certamente|ovviamente)|assolutamente sì|certo che sì|certo(?= *[.!,;]| *$)
        |certamente|ovviamente|senz'altro|penso di sì|credo di sì|direi di sì
        |sim,? (?:claro|com certeza|sem dúvida)|claro que sim|com certeza|sem dúvida|acho que sim
        |jazeker|zeker wel|ja,? (?:zeker|natuurlijk|hoor|graag)|natuurlijk(?= *[.!,;]| *$)|absoluut(?= *[.!,;]| *$)
        |zeker(?= *[.!,;]| *$)|uiteraard
        |ja,? (?:absolut|självklart|visst|gärna)|självklart|javisst|selvfølgelig
        |oczywiście(?:,? że tak)?|jasne|zdecydowanie tak|na pewno(?= *[.!,;]| *$)|raczej tak|pewnie(?= *[.!,;]| *$)
        |да,? конечно|конечно,? да|конечно|безусловно|разумеется|непременно|думаю,? (?:что )?да|скорее да
        |kesinlikle(?: evet)?|tabii ki|elbette|evet,? (?:kesinlikle|tabii ki|elbette)"""),
    ("wait , actually", """
        nein,? (?:doch|halt|warte|eher|lieber|eigentlich)|(?:oder )?besser gesagt|oder (?:vielmehr|eher)|vielmehr
        |quatsch|moment mal|warte(?: mal)?|ach nein|doch lieber|halt,? nein|aber nein|korrektur
        |ou plutôt|(?:non,? )?(?:attends|attendez)|non,? plutôt|en fait(?: non)?|à la réflexion|finalement
        |je me corrige|mais non
        |mejor dicho|(?:no,? )?(?:espera|perdón|espere)|o más bien|pensándolo bien|en realidad(?: no)?|pero no(?=:)
        |me corrijo
        |anzi|(?:no,? )?aspetta|o meglio|a ripensarci|ripensandoci|in realtà|mi correggo
        |ou melhor|(?:não,? )?espera|pensando bem|na verdade|aliás|corrigindo
        |of beter gezegd|(?:nee,? )?wacht|bij nader inzien|toch maar|eigenlijk
        |eller snarare|nej,? vänta|vid närmare eftertanke|egentligen
        |a raczej|właściwie|chociaż nie|nie,? czekaj|czekaj
        |точнее|вернее|хотя нет|нет,? (?:подождите|постойте|стоп|лучше)|подожди(?:те)?|на самом деле
        |daha doğrusu|aslında|hayır,? bekle"""),
    ("it depends", """
        (?:es |das )?(?:kommt (?:ganz )?darauf an|hängt davon ab)|ça dépend|cela dépend|depende|dipende
        |het hangt ervan af|dat hangt ervan af|det beror på|det kommer an på
        |to zależy|zależy|зависит|duruma göre|bağlı"""),
    ("hard to say", """
        schwer zu sagen|ich weiß (?:es )?nicht|keine ahnung|kann ich nicht sagen|difficile à dire|je ne sais pas
        |je ne peux pas|je ne saurais|no (?:lo )?sé|no puedo|difícil de decir|es difícil decir
        |non (?:lo )?so|non saprei|non posso|difficile (?:da )?dire|não sei|não posso|difícil dizer
        |(?:ik )?weet (?:ik |het )?niet|moeilijk te zeggen|ik kan niet|svårt att säga|vet inte|ved ikke
        |trudno powiedzieć|nie wiem|nie mogę|трудно сказать|сложно сказать|не знаю|не могу|bilmiyorum|söylemesi zor
        |cevap veremem|kann (?:ich )?(?:diese frage |das )?nicht (?:beantworten|sagen)"""),
    ("neither", """
        weder noch|weder|keine[rs]? (?:von )?(?:beiden|davon|der)|ni l'une? ni l'autre|aucun(?:e)? (?:des|de)|ninguno
        |ninguna|ni (?:la )?un[oa] ni (?:la )?otr[oa]|nessun[oa] d[ei]|né l'un[oa] né l'altr[oa]
        |nenhum(?:a)?|geen van (?:beide|de)|noch het een|ingen av|varken|żaden|żadn[ae]|ani|ни то,? ни другое|ни один
        |ни одна|hiçbiri"""),
    ("both", r"alle beide|beides?|les deux|tous les deux|ambos|ambas|los dos|las dos|entrambi|entrambe|tutti e due"
             r"|allebei|båda|begge|oba|obie|obydwa|оба|обе|и то,? и другое|her ikisi|ikisi de"),
    ("the answer is", r"""
        (?:die |meine )?(?:(?:richtige|korrekte|beste) )?(?:antwort|lösung) (?:ist|lautet|wäre)|(?:richtig
        |korrekt) ist
        |(?:la |ma )?(?:(?:bonne|meilleure) )?réponse(?: correcte| exacte)? (?:est|serait)
        |(?:la |mi )?(?:mejor )?respuesta(?: correcta)? (?:es|sería)|(?:la (?:mia )?)?risposta(?: corretta| giusta
        | esatta)? (?:è|sarebbe)
        |(?:a |minha )?resposta(?: certa| correta)? (?:é|seria)|(?:het |mijn )?(?:(?:juiste|goede
        |beste) )?antwoord (?:is|zou zijn)|(?:det )?(?:rätta |korrekta )?svaret är|(?:mitt svar|rätt svar) är
        |svaret er
        |(?:moja |poprawna |prawidłowa )*odpowiedź to|(?:мой |правильный |верный )*ответ(?: [-—–]| это)?(?= )
        |(?:doğru )?ceva(?:p|bım)(?= [(\w])"""),
    ("my choice is", r"""
        meine? (?:wahl|entscheidung|favorit|stimme|tipp) (?:ist|wäre|fällt auf|geht an|lautet)|mon choix (?:est|serait
        |se porte sur)|mi (?:elección|opción|favorit[oa]|preferid[oa]) (?:es|sería)
        |la mia (?:scelta|preferenza) (?:è|sarebbe)|a minha (?:escolha|opção) (?:é|seria)|minha (?:escolha|opção) (?:é
        |seria)|mijn (?:keuze|voorkeur|favoriet) (?:is|zou|gaat uit naar)|mitt val är|mój wybór to|мой выбор|tercihim
        |seçimim"""),
    ("i would choose", r"""
        (?<!no )(?<!non )(?<!não )(?<!nie )(?<!не )(?:
        ich (?:würde|möchte) (?:mich )?(?:lieber |eher )?(?:für )?(?=(?![^.!?\n]*\b(?:nicht
        |kein))[^.!?\n]{1,80}? (?:wählen
        |entscheiden|nehmen|bevorzugen|sagen|tippen|vorziehen))
        |ich (?:wähle|nehme|bevorzuge|sage|tippe auf|tendiere zu|neige zu|stimme für|bin für|entscheide mich für)
        |da nehme ich|ich würde sagen,?
        |je (?:choisis|choisirais|prends|prendrais|préfère|préférerais|dirais|dis|vote pour|penche pour
        |penche plutôt pour|opte pour|opterais pour|opterai pour)
        |(?:yo )?(?:elijo|elegiría|escojo|escogería|prefiero|preferiría|diría|digo|opto por|optaría por|me quedo con
        |me quedaría con|voto por|me inclino por)
        |(?:io )?(?:scelgo|sceglierei|preferisco|preferirei|direi|opto per|opterei per|voto per|prendo|prenderei)
        |(?:eu )?(?:escolho|escolheria|prefiro|preferiria|diria|opto por|optaria por|fico com|ficaria com|voto em)
        |ik (?:kies|zou kiezen|zou|neem|verkies|zeg|ga voor|stem voor|heb liever|geef de voorkeur aan)(?: voor
        | kiezen voor)?|ik zou (?=[^.!?\n]{1,60}? kiezen)|doe mij maar
        |jag (?:väljer|skulle välja|föredrar|tar)|jeg (?:vælger|velger|foretrækker|foretrekker|ville vælge)
        |(?:wybieram|wybrałbym|wybrałabym|wolę|wolałbym|wolałabym|stawiam na)
        |(?:я )?(?:выбираю|выбрал бы|выбрала бы|выберу|предпочитаю|предпочёл бы|предпочту|за вариант))"""),
    ("i think", r"ich (?:denke|glaube|finde|meine),?(?: dass)?|je (?:pense|crois)(?: que)?|(?:yo )?(?:creo"
                r"|pienso) que|(?:penso|credo) (?:che|sia)|(?:acho|creio|penso) que|ik denk(?: dat)?"
                r"|jag tror(?: att)?|myślę,? że|я думаю,?(?: что)?|bence"),
    ("the first one", r"""
        (?:der|die|das|den|dem) erste[nrs]?(?: (?:option|antwort|möglichkeit|aussage|variante|von (?:beiden|den dreien
        |den vieren))\b)?|erstere[nrs]?|(?:option|antwort) eins
        |la première(?: (?:option|réponse|proposition))?|le premier(?: choix)?|(?:la|el) primer[ao]?(?: (?:opción
        |respuesta|de l[ao]s (?:dos|tres|cuatro)))?|la prima(?: (?:opzione|risposta|d(?:elle|ei) (?:due|tre
        |quattro)))?|il primo
        |a primeira(?: (?:opção|resposta))?|o primeiro|de eerste(?: (?:optie|keuze|van de (?:twee|drie)))?
        |det första(?: alternativet)?|den första|den første|pierwsz[aeyąą]+(?: (?:opcj[aęi]|odpowiedź|z nich))?
        |(?:перв(?:ый|ая|ое|ую)(?: (?:вариант|ответ|из))?)|(?:ilk|birinci)(?:si(?:ni)?)?(?: (?:seçenek|seçeneği
        |şık))?"""),
    ("the second one", r"""
        (?:der|die|das|den|dem) zweite[nrs]?(?: (?:option|antwort|möglichkeit|aussage|variante|von (?:beiden
        |den dreien|den vieren))\b)?|letztere[nrs]?|(?:option|antwort) zwei
        |la (?:deuxième|seconde)(?: (?:option|réponse|proposition))?|le (?:deuxième|second)(?: choix)?|(?:la
        |el) segund[ao](?: (?:opción|respuesta|de l[ao]s (?:dos|tres|cuatro)))?|la seconda(?: (?:opzione|risposta
        |d(?:elle|ei) (?:due|tre|quattro)))?|il secondo
        |a segunda(?: (?:opção|resposta))?|o segundo|de tweede(?: (?:optie|keuze|van de (?:twee|drie)))?
        |det andra(?: alternativet)?|den andra|den anden|drug[aieąą]+(?: (?:opcj[aęi]|odpowiedź|z nich))?
        |(?:втор(?:ой|ая|ое|ую)(?: (?:вариант|ответ|из))?)|ikinci(?:si(?:ni)?)?(?: (?:seçenek|seçeneği|şık))?"""),
    ("the third one", r"""
        (?:der|die|das|den|dem) dritte[nrs]?(?: (?:option|antwort|möglichkeit|aussage|variante))?
        |la troisième(?: (?:option|réponse))?|le troisième|(?:la|el) tercer[ao]?(?: (?:opción|respuesta))?
        |la terza(?: (?:opzione|risposta))?|il terzo
        |a terceira(?: (?:opção|resposta))?|o terceiro|de derde(?: (?:optie|keuze))?|det tredje(?: alternativet)?
        |trzeci[aąej]*(?: opcj[aęi])?|трет(?:ий|ья|ье|ью)(?: (?:вариант|ответ))?|üçüncü(?:sü(?:nü)?)?(?: (?:seçenek
        |seçeneği))?"""),
    ("the last one", r"""
        (?:der|die|das|den|dem) letzte[nrs]?(?: (?:option|antwort|möglichkeit))?|la dernière(?: (?:option|réponse))?
        |le dernier|la última(?: (?:opción|respuesta))?|el último|l'ultim[ao](?: (?:opzione|risposta))?
        |a última(?: opção)?|o último|de laatste(?: optie)?
        |det sista|ostatni[aąe]*(?: opcj[aęi])?|последн(?:ий|яя|ее|юю)(?: (?:вариант|ответ))?|sonuncu(?:su)?"""),
    ("option", r"(?:die |der |la |l'|a |de |het )?(?:möglichkeit|variante|aussage|opción|opcion|opzione|opção|optie"
               r"|opcja|opcję|alternativ(?:et)?|вариант|seçenek|letra|lettre|lettera|buchstabe|буква|l'option"
               r"|la option|die option|die antwort|la réponse|la respuesta|la risposta"
               r"|a resposta)(?= *[(\[]?[A-H1-9]\b)"),
    ("answer", r"(?:(?:richtige|korrekte|bonne|la bonne|mejor|la|die|meine|ma|mon|mi|mia|il mio|правильный|верный|мой"
               r"|juiste|poprawna|doğru) )*(?:antwort|réponse|respuesta|risposta|resposta|antwoord|svar|odpowiedź"
               r"|ответ|cevap|yanıt|lösung|solution|choix|wahl|choice)(?= *:| [(\[]?[A-H]\b)"),
    ("yes", r"ja|jep|jawohl|oui|ouais|sí|sì|sim(?= *(?:[,.!]|$))|tak|да|ага|evet"),
    ("not", r"ni hablar de"),
    ("nor", r"ni(?= \w)|né(?= \w)|noch(?= [A-H(])|ani(?= \w)|nem(?= \w)"),
    ("of course", r"natürlich|selbstverständlich"),
    ("rather", r"plutôt|piuttosto|más bien|lieber|liever|скорее"),
    ("clearly", r"ganz klar|eindeutig|definitiv|ganz sicher|clairement|sans hésiter|sans hésitation|clairement"
                r"|claramente|sin dudarlo|chiaramente|senza dubbio|sicuramente|duidelijk|zdecydowanie|однозначно"
                r"|определённо|безусловно"),
    ("not", r"(?:nie|nooit|não|non)(?= \w)"),
    ("no", r"nein|nö|nee|ne(?= *[,.!])|non(?!-)|não|nej|nei|nie|нет|неа|hayır|nao(?= *[,.!])"),
    ("not", r"nicht|kein(?:e[mnrs]?)?|pas|niet|geen|inte|ikke|не|değil"),
    ("because", r"weil|denn|parce qu(?:e|')|car(?= (?:je|il|elle|c'|le|la|les))|porque|perché|perchè|omdat"
                r"|want(?= (?:ik|het|de|dat))|eftersom|fordi|ponieważ|bo(?= )|потому что|так как|çünkü"),
    ("but", r"aber|jedoch|mais(?= (?:je|non|si|au|il|le|la))|pero|però|ma(?= (?:io|no|poi|alla))|porém|maar|но"),
    ("it is", r"c'est|(?:es|das) ist|dat is|het is|det är|det er|jest to"),
    ("is", r"ist|est|è|sind|är"),
)  # fmt: skip
_WORDS_AND_REST = [
    (
        re.compile(
            rf"(?<![\w'-])(?:{''.join(line.strip() for line in phrases.splitlines())})(?:(?<=\s)|(?!\w))", re.IGNORECASE
        ),
        english,
    )
    for english, phrases in _PHRASES
]
_CHOSEN_LAST = re.compile(
    r"\bi would choose ([^.!?\n]{1,80}?) (?:wählen|entscheiden|nehmen|bevorzugen|sagen|tippen|vorziehen|kiezen)\b",
    re.IGNORECASE,
)

_AFTER_WORDS = (
    (re.compile(r"\b(?:la|el|le|il|l'|de|die|der|das|den|lo)\s+(?=[(\[]?[A-H][)\].]?(?:\W|$))"), ""),
    (re.compile(r"\b(?:ben )?([A-H])(?:'\w+)? (?:seçeneğini |şıkkını )?(?:seç\w+|tercih ed\w+)", re.IGNORECASE),
     r"i would choose \1"),
    (re.compile(r"\b([A-H])(?:\)| )\s*(?:seçeneği|şıkkı)\b", re.IGNORECASE), r"option \1"),
)  # fmt: skip


def translated(text: str) -> str:
    """The text with the words that answer in English; English text stays as it is but for words of no English.

    Args:
        text: a reply without markup, or an option.
    """
    if UNSPACED.search(text):
        text = translated_unspaced(text)
    for pattern, english in _WORDS_AND_REST:
        text = pattern.sub(lambda m, english=english: english + " " * m[0][-1:].isspace(), text)  # type: ignore[misc]
    for pattern, english in _AFTER_WORDS:
        text = pattern.sub(english, text)
    return _CHOSEN_LAST.sub(_not_denied, text)


def _not_denied(m: re.Match[str]) -> str:
    return m[0] if re.search(r"\bnot\b", m[1]) else f"i would choose {m[1]}"
