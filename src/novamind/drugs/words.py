"""The words beside a drug's name: dose forms, routes, release, salts, makers, directions; English and German.

Dose forms and their qualifiers follow the names of RxNorm (U.S. National Library of Medicine) and the German standard
terms of dosage forms. A word that stands nowhere here and is no drug makes a name unreadable.
"""

from functools import cache

from novamind.drugs.tables import rows

_FORMS = {
    "tablet": "tablet tablets tab tabs tbl tabl tablette tabletten filmtablette filmtabletten filmtabl filmtbl"
    " ftbl fta schmelztbl retardtbl kautbl kautablette kautabletten brausetablette brausetabletten caplet caplets"
    " pill pills dragee dragees drg überzogene schmelztablette schmelztabletten retardtablette retardtabletten"
    " sublingualtablette sublingualtabletten wafer",
    "capsule": "capsule capsules cap caps kapsel kapseln kps hartkapsel hartkapseln weichkapsel weichkapseln"
    " hartkps hartkaps kaps retardkapsel retardkapseln sprinkle sprinkles softgel softgels",
    "solution": "solution soln lösung syrup sirup saft elixir liquid concentrate konzentrat drops tropfen trp",
    "suspension": "suspension susp emulsion",
    "injection": "injection injections inj injectable injektion injektionslösung injektionssuspension ampulle"
    " ampullen amp vial vials syringe syringes prefilled autoinjector auto injector cartridge pen fertigspritze"
    " fertigspritzen durchstechflasche infusion infusionslösung depotinjektion",
    "patch": "patch patches transdermal transdermale transdermales pflaster tts",
    "film": "film films strip strips schmelzfilm",
    "lozenge": "lozenge lozenges lutschtablette lutschtabletten troche",
    "gum": "gum kaugummi kaugummis",
    "spray": "spray nasenspray mist",
    "inhaler": "inhaler inhalant inhalation inhal aerosol inhalator",
    "powder": "powder pulver granules granulat packet packets pellet pellets sachet sachets beutel",
    "suppository": "suppository suppositories supp zäpfchen",
    "implant": "implant implantat",
    "cream": "cream creme",
    "gel": "gel",
    "ointment": "ointment salbe",
    "enema": "enema",
    "foam": "foam",
    "lotion": "lotion",
    "intrauterine system": "intrauterine",
    "shampoo": "shampoo",
}  # fmt: skip
#: Word to dose form.
FORMS = {word: form for form, words in _FORMS.items() for word in words.split()}

_ROUTES = {
    "oral": "oral orale oraler orales po p.o mouth peroral einnehmen",
    "sublingual": "sublingual sl sublingualtablette sublingualtabletten",
    "buccal": "buccal bukkal",
    "nasal": "nasal nasenspray",
    "transdermal": "transdermal transdermale transdermales transdermalem tts pflaster",
    "topical": "topical",
    "rectal": "rectal rektal supp suppository suppositories zäpfchen",
    "vaginal": "vaginal",
    "ophthalmic": "ophthalmic",
    "intravenous": "iv i.v intravenous",
    "intramuscular": "im i.m intramuscular",
    "subcutaneous": "sc s.c subq subcutaneous",
    "inhaled": "inhaler inhalant inhalation inhal aerosol inhalator",
}
#: Word to route.
ROUTES = {word: route for route, words in _ROUTES.items() for word in words.split()}

_RELEASES = {
    "extended": "er xr xl sr cr la cd mr pr extended acting prolonged prolong prolongatum sustained controlled"
    " modified retard retardiert ret retardtbl retardtablette retardtabletten retardkapsel retardkapseln uno chrono"
    " contin osmotic oros slow verlängerter veränderter modifizierter",
    "delayed": "dr ec delayed enteric gastro resistant magensaftresistent magensaftresistente"
    " magensaftresistenten msr",
    "disintegrating": "odt expidet schmelztbl disintegrating orodispersible schmelztablette schmelztabletten"
    " schmelzfilm melt velotab zydis soltab quicklet meltab",
    "depot": "depot lai depotinjektion decanoate decanoat palmitate palmitat pamoate enanthate lauroxil"
    " microspheres maintena asimtufii sustenna trinza hafyera consta relprevv zypadhera xeplion trevicta byannli"
    " perseris uzedy rykindo okedi aristada vivitrol sublocade brixadi buvidal",
    "immediate": "ir immediate prompt",
}  # fmt: skip
#: Word to kind of release.
RELEASES = {word: release for release, words in _RELEASES.items() for word in words.split()}
#: Salts that only depot injections have, but for the last, which tablets and capsules have too.
DEPOT_SALTS = frozenset({"decanoate", "decanoat", "palmitate", "palmitat", "enanthate", "microspheres", "pamoate"})

_SALTS = (
    "aspartate aspartat saccharate acetate acetat anhydrous besylate besilate besilat bisulfate bitartrate bromide"
    " calcium carbonate carbonat chloride chlorid citrate citrat dihydrate dihydrochloride dihydrochlorid dimesylate"
    " dipotassium disodium embonat enantat fumarate fumarat gluconate hbr hcl hemifumarat hemihydrat hemihydrate"
    " hydrobromide hydrobromid hydrochloride hydrochlorid hydrogen kalium lactate lysine magnesium malate maleate"
    " maleat mesylate mesilate mesilat mesylat mg-salt monohydrate monohydrat natrium nitrate oxalate oxalat"
    " phosphate phosphat potassium propionate salt salts sodium sodium-salt succinate succinat sulfate sulfat"
    " sulphate tartrate tartrat tosylate tosilat trihydrate trihydrat valerate zinc"
)
_RELEASE_PARTS = "release rel freisetzung wirkstofffreisetzung freisetzend coated long system drug delivery matrix"
_QUALIFIERS = (
    "24hr 12hr abuse adult adults adhd akut assisted bead biphasic bx cessation chewable childrens children crush daily"
    " deterrent dispersible dry dissolve dissolving dispensed disp effervescent einnahme film-coated filmcoated fc"
    " fast forte for medicated kaubar junior kinder lower mini mite modified orally osmotic pmdd pyelonephritis"
    " quick rapid rapidly rating reconstituted sensor smoking sprinkle strength unit dose teilbar überzogen weekly"
    " with mit zum zur zu herstellung einer eine der und and in nach of the as von per je pro auf chew crushable"
    " dividable film immediate powder product pack pak starter titration kit metered"
    " actuation extract extrakt trockenextrakt generic otc brand"
    " name tr usp bp ph eur inn nfc sterile preservative pf"
)
_DIRECTIONS = (
    "abends am an bid bedtime bei bedarf by at day days each every evening h hs hour hours hr hrs jeden jede"
    " mittags monat month monthly morgens morning nachts nacht needed night nightly noon on once prn q qam qd qday"
    " qhs qid qpm qod stat std stunden tag tage take tgl tid times täglich twice three two one four week weekly"
    " weeks wöchentlich woche wochen x meals meal food breakfast"
)
_PACKS = "ud n1 n2 n3 op st stk stück stueck ct count ea blister bottle box package packung flasche pkg refill supply"
# Makers of generics in Germany and the US, as they stand in product names.
_MAKERS = (
    "1a pharma 1apharma abz accord actavis al aliud amneal apotex aristo arrow aurobindo axcount basics beta"
    " betapharm biomo biogaran bluefish cipla ct denk desitin dexcel dura eg esparma fairmed henning glenmark"
    " greenstone heumann hexal heunet holsten hormosan janssen juta krka lilly lundbeck lupin macleods medice mylan"
    " neuraxpharm novartis orion pfizer pharmaceuticals puren q-pharm ranbaxy ratio ratiopharm sandoz stada sun"
    " synthon tad teva torrent unichem viatris winthrop zentiva zydus vital neurax isis net"
)
#: Words that say nothing of which drug it is.
FILLERS = frozenset(f"{_RELEASE_PARTS} {_QUALIFIERS} {_DIRECTIONS} {_PACKS} {_MAKERS}".split())
#: Words that add a second drug: with one drug alone, the other is not named.
ADDITIONS = frozenset({"plus"})
#: What follows a dose each time, not the strength of a piece.
TIMES = frozenset({"day", "d", "tag", "week", "month"})


@cache
def salts() -> frozenset[str]:
    """Return the words of salts and esters."""
    own = {word for row in rows("names") if row["kind"] == "salt" for word in row["name"].casefold().split()}
    return frozenset(own | set(_SALTS.split()))
